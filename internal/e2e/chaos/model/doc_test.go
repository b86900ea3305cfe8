// Package model searches every state that the refresh protocol of package tokens can come into, within
// bounds: some owners (processes) over one record, one authorization server, a network, and a number of
// faults. It is the protocol as it is coded, restated small enough to be searched whole. All of it is test
// code:
//
//	go test ./internal/e2e/chaos/model -v                                    # ten seconds
//	go test ./internal/e2e/chaos/model -v -run Search -timeout 2h -model.full
//
// The tests print the number of states, hold the invariants (invariant_test.go), plant errors and want them
// found (flaw), and list what no rule saves (TestSearch).
//
// # What is one step
//
// A step is one thing that the config can see: one write of the record, one request sent, one answer
// given or read, one fault. A crash, a pause or another owner's step can come between any two. What the
// code does as "load, decide, compare-and-swap, on a conflict again" is one step here: a swap that
// succeeds proves that the record did not change since it was loaded, one that does not has changed
// nothing, and so has a crash before it. The exception is a swap whose base is older than the step
// (renewing a marker, the first swap at the end of a flight): for these the model remembers whether the
// base still stands (claim.current).
//
// # Step by step
//
//	look                  a re-read: what is newer in memory goes back, emergency files and seeds act
//	attempt               the start of a refresh, up to the marker in the store
//	check                 the marker must tell when the request begins; else it is renewed
//	announce, answer      before a token leaves that comes from a store which can lose a write
//	send                  the request leaves
//	unsent                the connection is refused
//	serve                 the server takes a request and answers; it rotates, or refuses a spent token
//	read                  the answer is read
//	lose                  the connection is cut, or two minutes of silence
//	renew                 a lease is kept
//	save, resave          the new pair goes to the store, at once or late; till then to an emergency file
//	watch                 after a refusal in doubt the store is watched for a lease
//	release               the end of a flight without a pair, for a failure and for a refusal
//	login, logout         a new lineage
//	reseed                a restart with another seed in the configuration: a new lineage
//	crash, restart        kill -9; a restarted owner has another name, and no memory
//	pause, resume         kill -STOP and -CONT, a machine that sleeps
//	cut, heal             the owner does not reach the store: every Load and Save fails
//	torn                  a Save that wrote, and failed all the same
//	delete, restore       the record is gone, or an older one is there: a person, a backup, a failover
//	restart elsewhere     a start with another region, token endpoint or client id
//	tick                  half a lease goes by
//
// Flights that find a token at hand and cool-downs only make an owner start later or not at all. Here an
// owner may start at any time, which includes all of that. So it is with the access token: it may end at
// any time, and an owner may or may not know. The hold after a refresh that did not help is searched with
// an API that refuses everything.
//
// # Time
//
// Lease and quiet time are the same 30 s. A tick is half of it, and ages are counted up to three ticks, the 45 s
// after which every process has looked at the store. An owner that is neither paused nor cut off does
// what it has to do within a tick, and looks at the store within two. With leases it hears of changes.
//
// # What is assumed
//
// Wall clocks agree. A request is taken by the server within the quiet time of its start, or as long as
// its owner listens, or never. An answer to an announcement comes before the announcer goes on, unless its
// sender stands still, is cut off or has ended. Complete 5xx answers, which are tried again within a
// flight, are left to the tests of package tokens.
package model
