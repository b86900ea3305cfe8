package tokens

import (
	"fmt"
	"regexp"
)

// DefaultAccount serves requests that choose no account.
const DefaultAccount = "default"

var accountName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ValidAccount says whether name can be the name of an account: a DNS label in lower case, so that
// it can also be a host name and a file name.
func ValidAccount(name string) bool { return accountName.MatchString(name) }

// CheckAccount returns an error that tells a person what a name must look like.
func CheckAccount(name string) error {
	if ValidAccount(name) {
		return nil
	}
	return fmt.Errorf("account name %q: use 1 to 63 of a-z, 0-9 and -, with no - at either end", name)
}
