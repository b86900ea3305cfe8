package cli

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// clientKeyBytes is the length of a client key: 256 bits cannot be guessed.
const clientKeyBytes = 32

type clientKeyCommand struct {
	Name    string `arg:"" placeholder:"NAME" help:"What the client is called in the log."`
	Account string `placeholder:"NAME" help:"The only account that the key may be used for. Without it, each request chooses."`
	KeyFile string `placeholder:"FILE" help:"Write the key to this new file, which only this user can read, instead of showing it."`
}

// Help implements kong.HelpProvider.
func (*clientKeyCommand) Help() string {
	return `The key is shown once, in the lines that belong into the configuration file. Where a key is configured,
every request must have one.`
}

// Run prints the lines for the configuration on standard output, and what to do with them on standard error.
func (c *clientKeyCommand) Run(p *program) error {
	key := make([]byte, clientKeyBytes)
	rand.Read(key) // never fails
	text := hex.EncodeToString(key)
	check := []proxy.ClientKey{{Name: c.Name, Key: tokens.NewSecret(text), Account: c.Account}}
	if err := proxy.CheckClientKeys(check); err != nil {
		return withStatus(err, exitUsage)
	}
	if c.Name == "" || strings.ContainsFunc(c.Name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(":#{}[]&*!|>'\"%@`,", r) }) {
		return withStatus(problem.Mistake(fmt.Sprintf("%q cannot be a key of the configuration file", c.Name), "use letters, digits, - and _"), exitUsage)
	}
	line := "key: " + text
	if c.KeyFile != "" {
		path, err := writeKey(c.KeyFile, text)
		if err != nil {
			return problem.WithHint(err, "name a new file in a directory that this user can write to")
		}
		line = "key-file: " + path
	}
	fmt.Fprintf(p.Stdout, "client-keys:\n  %s:\n    %s\n", c.Name, line)
	if c.Account != "" {
		fmt.Fprintf(p.Stdout, "    account: %s\n", c.Account)
	}
	where := "The key is not shown again."
	if c.KeyFile != "" {
		where = "The key is in " + c.KeyFile + "."
	}
	_, err := fmt.Fprintf(p.Stderr, `%s Put these lines into the configuration file (--config), below the client-keys: that it may
already have, and start the proxy again. The client sends the key as %s: KEY, as a bearer token, or as the
password of Basic authentication.
`, where, proxy.KeyHeader)
	return err
}

// writeKey makes a new file, and returns its absolute path: a proxy may run in another directory.
func writeKey(name, text string) (path string, err error) {
	if path, err = filepath.Abs(name); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	if _, err := f.WriteString(text + "\n"); err != nil {
		f.Close()
		return "", err
	}
	return path, f.Close()
}
