package doctor

import (
	"cmp"
	"context"
	"os"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
)

// tokenStore reports whether records can be read, written and locked.
func (x *examination) tokenStore(context.Context) (found []Finding) {
	for _, text := range x.warnings {
		seen, fix, _ := strings.Cut(text, "; ")
		found = append(found, warning(seen, cmp.Or(fix, "nothing to do if it does not happen again; otherwise find out which program changes it")))
	}
	switch {
	case x.storeErr == errNotConfigured:
		return append(found, skipped(x.storeErr.Error()))
	case x.storeErr != nil:
		return append(found, failingAs(x.storeErr, stores.Fix))
	case x.store.Limited != nil:
		return append(found, failingAs(x.store.Limited, stores.Fix))
	}
	if w := x.Config.SpentSeed(x.store); w != nil {
		return append(found, warningAs(w))
	}
	can := " can be read and written"
	if x.store.Lockable {
		can = " can be read, written and locked"
	}
	if !x.store.Persistent {
		can += ", and is lost when its proxy ends"
	}
	return append(found, fine(x.store.Name+can))
}

// files tests the directories, other than the store, that a proxy writes to.
func (x *examination) files(context.Context) (found []Finding) {
	dir, what := cmp.Or(x.Config.Proxy.TempDir, x.store.ScratchDir, os.TempDir()), "kept request bodies go to "
	if err := tryWrite(dir); err != nil {
		found = append(found, warning("no file can be created in "+dir+" for kept request bodies: "+err.Error(),
			"set --temp-dir to a directory that this user can write to; until then only short requests are repeated after a refresh"))
	} else {
		found = append(found, fine(what+dir))
	}
	return append(found, x.emergency())
}

// emergency looks for a directory for tokens that the store cannot save.
func (x *examination) emergency() Finding {
	if x.storeErr != nil {
		return skipped("the store cannot be opened")
	}
	if !x.store.Persistent {
		return skipped("the store ends with the proxy, so tokens that it cannot save are not kept either")
	}
	for _, dir := range x.Config.Tokens.EmergencyDirs {
		if tryWrite(dir) == nil {
			return fine("tokens that the store cannot save go to " + dir)
		}
	}
	return warning("there is no directory for tokens that the store cannot save, so a full disk can cost a login",
		"set --temp-dir to a directory that this user can write to")
}

// tryWrite makes a file in dir and removes it.
func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, "."+problem.Program+"-*")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}
