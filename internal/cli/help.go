package cli

import (
	"fmt"

	"github.com/alecthomas/kong"
)

const description = `A local proxy that signs requests in to PandaDoc.

Point any HTTP client at http://localhost:8080 instead of https://api.pandadoc.com. The client needs no
credential: the proxy adds the token and keeps it fresh.

To try it without an account: pandadoc-auth-proxy sandbox

Every flag can also be set in the environment (PANDADOC_LISTEN for --listen) or in the file that --config
names (listen: there). Flags beat the environment, which beats the file. Secrets are never flags: set
PANDADOC_CLIENT_ID, PANDADOC_CLIENT_SECRET, and one of PANDADOC_REFRESH_TOKEN, PANDADOC_ACCESS_TOKEN or
PANDADOC_API_KEY, or each of them with _FILE appended and the name of a file. More accounts than one go
into the file, below accounts:, as NAME: with refresh-token-file:, access-token-file: or api-key-file:
(or the same without -file) below it.

Exit status: 0 done (also after SIGTERM), 1 failed, 2 wrong use or configuration, 3 login required.`

// printHelp shows the flags of serve together with the commands when no command was named, because
// serve is what then runs.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	serve, err := kong.Trace(ctx.Kong, []string{"serve"})
	if err != nil {
		return err
	}
	fmt.Fprintln(ctx.Stdout)
	return kong.DefaultHelpPrinter(options, serve)
}

// helpWithDefault adds the default to the help of a flag. The names in the environment follow from a rule
// that the description gives.
func helpWithDefault(value *kong.Value) string {
	if value.Flag == nil || value.Default == "" || value.Default == "false" {
		return value.Help
	}
	return fmt.Sprintf("%s Default: %s.", value.Help, value.Default)
}
