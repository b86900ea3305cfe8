// Package sandbox emulates the part of PandaDoc that an OAuth client uses: the consent page, the
// token endpoint, and an API with state. It exists so that the proxy can be tried, tested and
// demonstrated without an account, and it is on purpose as awkward as the real service.
//
//	srv, err := sandbox.Start(ctx, sandbox.Options{})
//	if err != nil { … }
//	defer srv.Close()
//	json.NewEncoder(os.Stdout).Encode(srv.Info())
//
// # Behaviour
//
// By default it does to its caller what a good client must hide: access tokens are refused for good
// before their time, every refresh kills the old pair at once, expires_in is now and then a string or
// missing. Options.Chaos adds what a client has to see: 429 with Retry-After, slow answers, cut
// answers, HTML errors. Options.Calm turns all of it off. The seed repeats a run: the same requests
// in the same order get the same answers and the same credentials.
//
// # Safety
//
// Its credentials are made up at the start and are worth nothing elsewhere. It makes no request of
// its own, writes no file, listens on loopback only and says in a header of every answer what it is.
//
// # Limits
//
// All state is in memory and bounded: of every kind the oldest items make room for new ones. What is
// emulated, and how far, is listed in docs/emulator.md, which is made from the table of operations.
package sandbox
