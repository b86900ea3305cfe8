// Package specification generates two files from PandaDoc's OpenAPI file (version 8.8.0, MIT licence,
// https://github.com/PandaDoc/pandadoc-openapi-specification): a reduced form, with which tests check the
// emulator, and the operations that the console shows. Both are committed. To generate them from a newer file:
//
//	PANDADOC_OPENAPI=FILE go test ./internal/sandbox/specification -update
//
// There is nothing here to import.
package specification
