// Package model searches all states that the refresh protocol of package tokens can reach, within bounds: some
// owners (processes) that share one record, one authorization server, a network, and a limited number of faults.
// The model follows the code, but is small enough to search completely. All of it is test code:
//
//	go test ./internal/e2e/chaos/model -v                                    # ten seconds
//	go test ./internal/e2e/chaos/model -v -run Search -timeout 2h -model.full
//
// The tests print the number of states and check the invariants in each state (invariant_test.go). They also
// plant errors that the search must find (type flaw), and list the losses that no rule can prevent (TestSearch).
//
// # What is one step
//
// A step is one event that others can see: one write of the record, one request sent, one answer given or read,
// one fault. A crash, a pause or a step of another owner can come between any two steps. Where the code does
// "load, decide, compare-and-swap, and repeat after a conflict", the model has one step. That is enough: if a swap
// succeeds, the record has not changed since it was loaded; if it fails, or the process crashes before it, nothing
// has changed. The exception is a swap whose base was loaded in an earlier step: a swap that renews a marker, and the
// first swap at the end of a flight. (A flight is one task for an account, such as a refresh.) For these, the model
// remembers whether the record still has that version (claim.current).
//
// # Steps
//
//	reload                a re-read: a newer record in memory is put back, emergency files and seeds are used
//	attempt               the start of a refresh, until the marker is in the store
//	check                 before a request: the owner writes its marker again if the lease is not fresh
//	announce, answer      the owner tells the others which token it will send; needed if the store can lose a write
//	send                  the request is sent
//	unsent                the connection is refused
//	serve                 the server accepts a request and answers: it rotates, or refuses a used token
//	read                  the answer is read
//	lose                  the connection is cut, or there is no answer for two minutes
//	renew                 a lease is renewed
//	save, resave          the new pair is saved, at once or later; until then it is in an emergency file
//	watch                 after invalid_grant, if the result of an earlier request is unknown: for the length of one
//	                      lease, the owner looks for another pair in the store
//	release               the end of a flight without a pair, after a failure or a refusal
//	login, logout         a new lineage
//	reseed                a restart with another seed in the configuration: a new lineage
//	crash, restart        kill -9; a restarted owner has another name and no memory
//	pause, resume         kill -STOP and -CONT, or a machine that sleeps
//	cut, heal             the owner cannot reach the store: every Load and Save fails
//	torn                  a Save that wrote the record, but returned an error
//	delete, restore       the record is gone or is an older one: because of a person, a backup or a failover
//	restart elsewhere     a start with another region, token endpoint or client id
//	tick                  half a lease passes
//
// Flights that find a usable token, and cool-downs, are not in the model. They only make an owner start later or
// never, and in the model an owner may start at any time or never. An access token may also expire at any time,
// and its owner may or may not know. If a refresh did not help against a 401, the next one is delayed (tokens.Hold).
// A search of its own covers that, with an API that refuses every token.
//
// # Time
//
// A marker protects its owner for a lease, and longer if the owner renews it. The quiet time is the time after
// which a request counts as over if its sender has gone. Both times are 30 s. A tick is half of that. The model
// counts how many ticks ago something happened, but only up to three: after these 45 s, every owner that is not paused
// and not cut off has read the store. Such an owner completes its next step within one tick, and reads the store
// within two. A store with leases (Redis, Kubernetes; a directory has a lock instead) reports changes, so its owners
// read it within one.
//
// # Assumptions
//
// The clocks agree. The server accepts a request within the quiet time after its start, or while its owner
// still waits for the answer, or never. An owner answers an announcement before the announcer continues, unless
// it is paused, cut off or dead. Complete 5xx answers, which are repeated within a flight, are not in the model:
// the tests of package tokens cover them.
package model
