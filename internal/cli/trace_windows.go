package cli

// dieWithTrace does nothing: Windows has no SIGQUIT.
func dieWithTrace() {}
