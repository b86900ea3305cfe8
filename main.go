// Command pandadoc-auth-proxy is a local reverse proxy that authenticates requests to the PandaDoc API.
package main

import (
	"context"
	"os"
	"os/signal"

	"pandadoc-auth-proxy/internal/cli"
)

// version is set by the linker for a release (-X main.version=0.1.0). Otherwise it comes from the build
// information of the Go toolchain.
var version = ""

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, cli.Signals()...)
	os.Exit(cli.Run(context.Background(), cli.Env{
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Signals: signals,
		Version: version,
	}))
}
