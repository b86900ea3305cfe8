package cli

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/stores"
)

// A command to copy finds the proxy and the store that the user means only with the settings that the user typed.
func TestCommandsToCopyHaveTheTypedSettings(t *testing.T) {
	for _, row := range []struct{ name, typed, text, want string }{
		{"a command", "login --account a --config c.yaml", "run: pandadoc-auth-proxy login --account a",
			"run: pandadoc-auth-proxy login --config c.yaml --account a"},
		{"a flag that the command has already", "login --scope=read", "run: pandadoc-auth-proxy login --scope=read",
			"run: pandadoc-auth-proxy login --scope=read"},
		{"two commands", "status --store file:a", "run: pandadoc-auth-proxy login, or: pandadoc-auth-proxy refresh",
			"run: pandadoc-auth-proxy login --store file:a, or: pandadoc-auth-proxy refresh --store file:a"},
		{"a quoted command", "status --store file:a", "\"pandadoc-auth-proxy refresh\" tries it", "\"pandadoc-auth-proxy refresh --store file:a\" tries it"},
		// The rest of the line was searched for flags too.
		{"a flag in the rest of the sentence", "login --admin-listen localhost:9", "run: pandadoc-auth-proxy login --paste, or start the proxy with an --admin-listen that fits",
			"run: pandadoc-auth-proxy login --admin-listen localhost:9 --paste, or start the proxy with an --admin-listen that fits"},
		{"a flag with a longer name", "status --store file:a", "run: pandadoc-auth-proxy login --store-key-file k",
			"run: pandadoc-auth-proxy login --store file:a --store-key-file k"},
		{"help", "doctor --store file:a", "see \"pandadoc-auth-proxy serve --help\"", "see \"pandadoc-auth-proxy serve --help\""},
		// The report of doctor promises that it has no secret.
		{"a required header", "doctor --require-header X-App:secret", "run: pandadoc-auth-proxy doctor --refresh", "run: pandadoc-auth-proxy doctor --refresh"},
		{"a URL with a password", "doctor --region eu --api-url=https://u:secret@example.com", "run: pandadoc-auth-proxy login",
			"run: pandadoc-auth-proxy login --region eu"},
	} {
		p := &program{settings: config.NewReader(nil, stores.Known())}
		parser, err := kong.New(&commandLine{}, options(p, func(int) {})...)
		if err != nil {
			t.Fatal(err)
		}
		command, err := parser.Parse(strings.Fields(row.typed))
		if err != nil {
			t.Fatal(err)
		}
		p.typed = typedSettings(command)
		check(t, row.name, p.withTyped(row.text), row.want)
	}
}
