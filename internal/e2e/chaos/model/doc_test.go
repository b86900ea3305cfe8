// Package model searches every state that the refresh protocol of package tokens can come into, within
// bounds: some owners (processes) over one record, one authorization server, a network, and a number of
// faults. It is the protocol as it is coded, restated small enough to be searched whole:
//
//	report, err := model.Search(model.Bounds{Owners: 3, Faults: 3, Limits: model.EachOnce(), Kill: true})
//
// Nothing but tests uses it. Tests print the number of states, hold the invariants (invariant.go), plant
// errors and want them found (flaw.go), and list what a store with leases cannot save.
//
// # What is one step
//
// A step is one thing that the world can see: one write of the record, one request sent, one answer
// given or read, one fault. A crash, a pause or another owner's step can come between any two. What the
// code does as "load, decide, compare-and-swap, on a conflict again" is one step here: a swap that
// succeeds proves that the record did not change since it was loaded, one that does not has changed
// nothing, and so has a crash before it. The exception is a swap whose base is older than the step
// (claim.renew, the first swap of claim.release): for these the model remembers whether the base still
// stands (claim.current).
//
// # Step by step
//
//	model                 code in package tokens
//	look                  keeper.look, settle, wanted, sow, emergency; doubt.watch
//	attempt               keeper.attempt: lock, look, hopeless, mayStart, then keeper.claim
//	check                 claim.call: isFresh, and claim.renew if it is not
//	send                  claim.listen: the request leaves
//	unsent                claim.call: the connection is refused (callError, not sent)
//	serve                 the server takes a request and answers; it rotates, or refuses a spent token
//	read                  claim.run: the answer is read; claim.succeed or claim.refused follows
//	lose                  claim.listen: cut off, or two minutes of silence; claim.note
//	renew                 claim.keepAlive, claim.renew (stores with leases)
//	save                  claim.succeed: keeper.store, keeper.adopt
//	resave                keeper.keepSaving, or keeper.settle with a pair that is newer than the store's
//	watch                 claim.watchStore
//	release               claim.release, for a failure and for a refusal
//	terminate             keeper.leaveEmergency
//	login, logout         Manager.replace, keeper.overwrite
//	reseed                a restart with another seed in the configuration
//	crash, restart        kill -9; a restarted owner has another name (newOwner)
//	pause, resume         kill -STOP and -CONT, a machine that sleeps
//	cut, heal             the owner does not reach the store: every Load and Save fails
//	torn                  a Save that wrote, and failed all the same
//	tick                  half a lease goes by
//
// Flights that find a token at hand, cool-downs and the hold after a 401 only make an owner start later
// or not at all. Here an owner may start at any time, which includes all of that. So it is with the
// access token: it may end at any time, and an owner may or may not know.
//
// # Time
//
// Lease and quiet time are the same 30 s. A tick is half of it, and ages are counted up to two ticks.
// An owner that is neither paused nor cut off does what it has to do within a tick.
//
// # What is assumed
//
// Wall clocks agree. A request is taken by the server within the quiet time of its start, or as long as
// its owner listens, or never. Complete 5xx answers, which are tried again within a flight, and
// restored backups are left to the tests of package tokens.
package model
