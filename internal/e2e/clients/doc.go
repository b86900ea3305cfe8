// Package clients sends what clients of PandaDoc send through the built program: every operation of the
// specification with its examples, and every method of PandaDoc's own clients. There is nothing here to
// import.
package clients
