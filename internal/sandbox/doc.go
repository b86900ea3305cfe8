// Package sandbox emulates the part of PandaDoc that an OAuth client uses: the consent page, the token
// endpoint, and an API with state. With it, the proxy can be tried, tested and demonstrated without an account.
// On purpose, it is as difficult for clients as the real service.
//
//	srv, err := sandbox.Start(ctx, sandbox.Options{})
//	if err != nil { … }
//	defer srv.Close()
//	json.NewEncoder(os.Stdout).Encode(srv.Info())
//
// # Behaviour
//
// Every refresh invalidates the old pair at once. By default it also does things that a good client must hide from
// its user: it refuses some access tokens before they expire, and expires_in is sometimes a string or missing.
// Options.Chaos adds things that a client cannot hide: 429 with Retry-After, slow answers, cut answers, HTML
// errors. With Options.Calm it does none of these things, but a refresh still invalidates the old pair. The seed
// repeats a run: the credentials are the same, and the same requests in the same order get the same answers,
// except for dates.
//
// # Safety
//
// It creates its credentials when it starts, and they work nowhere else. It sends no requests, writes no files,
// listens on loopback only, and identifies itself in a header of every answer.
//
// # Limits
//
// All state is in memory and limited in size: new items replace the oldest of their kind. docs/emulator.md
// lists what is emulated, and with which limits; its table is generated from the table of operations.
package sandbox
