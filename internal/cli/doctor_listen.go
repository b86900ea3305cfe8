package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// listeners looks whether a proxy can listen, or listens already.
func (x *examination) listeners(ctx context.Context) (found []finding) {
	for _, a := range x.app.listen {
		found = append(found, x.listener(ctx, "listen", a.address))
	}
	if at := x.app.admin; at != nil && x.proxy == nil {
		found = append(found, x.listener(ctx, "admin-listen", *at))
	}
	if len(found) == 0 {
		return []finding{skipped("no address could be read")}
	}
	return found
}

func (x *examination) listener(ctx context.Context, flag string, a address) finding {
	err := a.tryOpen(ctx)
	switch {
	case err == nil && a.path == "" && a.port == 0:
		return fine("--" + flag + ": a free port is picked")
	case err == nil:
		return fine(fmt.Sprintf("--%s: %s is free", flag, a))
	case errors.Is(err, errAddrInUse) && x.servedByProxy(a):
		return fine(fmt.Sprintf("--%s: the running proxy serves %s", flag, a))
	case errors.Is(err, errAddrInUse):
		return failing(fmt.Sprintf("--%s: another program listens on %s", flag, a), listenHint(flag, err))
	}
	return failing(fmt.Sprintf("--%s: cannot listen on %s: %v", flag, a, err), listenHint(flag, err))
}

// tryOpen opens the listener for a moment. A unix socket is only looked at: opening would make a file.
func (a address) tryOpen(ctx context.Context) error {
	if a.path != "" {
		return checkStale(ctx, a.path)
	}
	open, err := a.open(ctx)
	closeAll(open)
	return err
}

func (x *examination) servedByProxy(a address) bool {
	return slices.ContainsFunc(x.overview.Listeners, func(base string) bool {
		if _, at, found := strings.Cut(base, "://"); found {
			base = at
		}
		served, err := parseAddress(base)
		return err == nil && (served == a || served.path == "" && a.reaches(served.host, fmt.Sprint(served.port)))
	})
}
