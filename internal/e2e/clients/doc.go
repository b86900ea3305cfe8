// Package clients sends requests of clients through the built program: every operation of PandaDoc's specification
// with its examples, every method of PandaDoc's Node client, and a series of requests with common HTTP clients of
// several languages. There is nothing here to import.
package clients
