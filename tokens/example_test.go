package tokens_test

import (
	"context"
	"fmt"

	"pandadoc-auth-proxy/tokens"
)

// A Manager with a store in memory, and an access token as a seed. What it returns prints without its secret.
func ExampleManager() {
	config := tokens.DefaultConfig()
	config.Store = tokens.NewMemory()
	config.Endpoint = tokens.Endpoint{URL: "https://api.pandadoc.com/oauth2/access_token", ClientID: "id"}
	config.Accounts = map[string]tokens.AccountConfig{
		"acme": {AccessToken: tokens.NewSecret("2ff2dfe36322448c6953616740a910be57bbd4ca")},
	}
	m, err := tokens.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close(context.Background())

	token, err := m.Token(context.Background(), "acme")
	fmt.Println(token, err)
	_, err = m.Token(context.Background(), "nobody")
	fmt.Println(err)
	// Output:
	// token of "acme", generation 1, [redacted] <nil>
	// no such account: "nobody"
}
