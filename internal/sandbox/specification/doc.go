// Package specification makes what the project keeps of PandaDoc's OpenAPI file (version 8.8.0, MIT
// licence, https://github.com/PandaDoc/pandadoc-openapi-specification): a reduced form that the emulator
// is held to, and the operations that the console shows. Both are committed. To make them anew from a
// newer file:
//
//	PANDADOC_OPENAPI=FILE go test ./internal/sandbox/specification -update
//
// There is nothing here to import.
package specification
