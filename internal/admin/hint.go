package admin

import "pandadoc-auth-proxy/tokens"

const (
	hintClient = "Check the client id and secret (PANDADOC_CLIENT_ID, PANDADOC_CLIENT_SECRET) and that --region is the application's."
	hintWait   = "It is tried again by itself. Check the network and the token URL if it lasts."
	hintStore  = "Check the store's directory: it must exist, belong to this user and have room."
	hintSave   = "The newest tokens are only in memory. Make the store writable before this process ends."
	hintDoubt  = "A refresh was cut off. It is tried again by itself; if that fails, sign in again."
	hintAPIKey = "An API key is used as it is. Replace it in the configuration."
)

// LoginCommand is the command that signs an account in.
func LoginCommand(account string) string {
	if account == tokens.DefaultAccount || !tokens.ValidAccount(account) {
		return program + " login"
	}
	return program + " login --account " + account
}

func hintLogin(account string) string { return "Run: " + LoginCommand(account) }

// hint returns the next thing to try for an account, or "" if there is nothing to do.
func hint(s tokens.Status) string {
	if s.State == tokens.LoginRequired {
		return hintLogin(s.Account)
	}
	switch s.Cause {
	case tokens.CauseClientRefused:
		return hintClient
	case tokens.CauseRefreshFailing:
		return hintWait
	case tokens.CauseRefreshInDoubt:
		return hintDoubt
	case tokens.CauseUnsavedRotation:
		return hintSave
	case tokens.CauseStore:
		return hintStore
	}
	return ""
}
