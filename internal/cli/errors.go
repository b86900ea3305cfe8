package cli

import (
	"errors"
	"fmt"
	"io"
)

// Exit status, as documented.
const (
	exitOK            = 0
	exitFailed        = 1
	exitUsage         = 2 // wrong use or configuration
	exitLoginRequired = 3
)

// hintError is an error for people: what is wrong, and the next thing to try.
type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error { return e.error }

// mistake returns an error that says what is wrong and how to put it right.
func mistake(what, fix string) error { return hintError{errors.New(what), fix} }

// withHint adds the next thing to try to err.
func withHint(err error, hint string) error { return hintError{err, hint} }

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

// report writes err for people: "error: …" and "hint: …" for each of the errors that were joined.
func report(w io.Writer, err error) {
	for _, e := range leaves(err) {
		what, hint := hinted(e)
		fmt.Fprintf(w, "error: %s\n", what)
		if hint != "" {
			fmt.Fprintf(w, "hint: %s\n", hint)
		}
	}
}

// hinted takes one error apart into what is wrong and the next thing to try, which may be "".
func hinted(err error) (what, hint string) {
	var h hintError
	if errors.As(err, &h) {
		hint = h.hint
	}
	return err.Error(), hint
}

// leaves takes apart what errors.Join and withStatus put together.
func leaves(err error) []error {
	switch e := err.(type) {
	case nil:
		return nil
	case statusError:
		return leaves(e.err)
	case interface{ Unwrap() []error }:
		// errors with several causes look the same, but only a joined one is nothing but its parts.
		if parts := e.Unwrap(); errors.Join(parts...).Error() == err.Error() {
			var all []error
			for _, one := range parts {
				all = append(all, leaves(one)...)
			}
			return all
		}
	}
	return []error{err}
}
