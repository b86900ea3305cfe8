package cli

import (
	"errors"
	"fmt"
	"io"

	"pandadoc-auth-proxy/internal/problem"
)

// Exit status, as documented.
const (
	exitOK            = 0
	exitFailed        = 1
	exitUsage         = 2 // wrong use or configuration
	exitLoginRequired = 3
)

// statusError carries the exit status that err ends the program with.
type statusError struct {
	err    error // nil if everything was already said
	status int
}

func (e statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e statusError) Unwrap() error { return e.err }

func withStatus(err error, status int) error {
	if err == nil && status == exitOK {
		return nil
	}
	return statusError{err, status}
}

// exitStatus returns what the program ends with after err.
func exitStatus(err error) int {
	var s statusError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &s):
		return s.status
	}
	return exitFailed
}

// report writes err for people: "error: …" and "hint: …" for each of the errors that were joined, each on one
// line, so that no text of others looks like a line of ours.
func report(w io.Writer, err error) {
	for _, e := range problem.Each(err) {
		if s, ok := e.(statusError); ok {
			report(w, s.err)
			continue
		}
		fmt.Fprintf(w, "error: %s\n", problem.Line(e.Error()))
		if hint := problem.HintOf(e); hint != "" {
			fmt.Fprintf(w, "hint: %s\n", problem.Line(hint))
		}
	}
}
