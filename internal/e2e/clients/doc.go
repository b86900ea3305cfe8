// Package clients sends the requests of PandaDoc's clients through the built program: every operation of the
// specification with its examples, and every method of PandaDoc's own client libraries. There is nothing here
// to import.
package clients
