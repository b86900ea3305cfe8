package cli

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// An import that waited for standard input, perhaps because FILE was forgotten, ended only after three interrupts.
func TestAnInterruptEndsAnImportThatWaitsForInput(t *testing.T) {
	in, typing := io.Pipe()
	defer typing.Close()
	signals := make(chan os.Signal, 1)
	signals <- os.Interrupt
	var text strings.Builder
	status := make(chan int, 1)
	go func() {
		status <- Run(context.Background(), Env{
			Args: []string{"import"}, Environ: []string{"HOME=" + t.TempDir()},
			Stdin: in, Stdout: io.Discard, Stderr: &text, Signals: signals,
		})
	}()
	select {
	case got := <-status:
		check(t, "status", got, exitFailed)
		check(t, "text", text.String(), "error: interrupted\n")
	case <-time.After(5 * time.Second):
		t.Error("it still waits")
	}
}
