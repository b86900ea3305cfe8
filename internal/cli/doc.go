// Package cli is the command line: it reads flags, environment and configuration file, opens the
// store, puts the parts together and runs them. It is the only package that reads the environment.
//
// # Configuration
//
// A struct in settings.go gives a setting its flag, its name in the environment, its key in the file,
// its default and its help. Flags beat the environment, the environment beats the file, the file beats
// the defaults. Every mistake is reported in one go, each with its fix, and nothing is started then.
//
// # Secrets
//
// Secrets are no flags, because other users of the machine can read the process list. They come from
// the environment, from files that flags name, or from the configuration file.
//
// # Accounts
//
// The secrets outside of "accounts:" are those of the account "default". Others are named in the file:
//
//	client-id-file: /run/secrets/client-id
//	client-secret-file: /run/secrets/client-secret
//	accounts:
//	  acme:
//	    refresh-token-file: /run/secrets/acme
//	  widgets:
//	    api-key-file: /run/secrets/widgets
package cli
