package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pandadoc-auth-proxy/internal/listen"
)

// listeners looks whether a proxy can listen, or listens already.
func (x *examination) listeners(ctx context.Context) (found []finding) {
	for _, a := range x.config.Listen {
		found = append(found, x.listener(ctx, "listen", a.Address))
	}
	if at := x.config.Admin; at != nil && x.proxy == nil {
		found = append(found, x.listener(ctx, "admin-listen", *at))
	}
	if len(found) == 0 {
		return []finding{skipped("no address could be read")}
	}
	return found
}

func (x *examination) listener(ctx context.Context, flag string, a listen.Address) finding {
	err := a.TryOpen(ctx)
	switch {
	case err == nil && a.Path == "" && a.Port == 0:
		return fine("--" + flag + ": a free port is picked")
	case err == nil:
		return fine(fmt.Sprintf("--%s: %s is free", flag, a))
	case errors.Is(err, listen.ErrAddrInUse) && x.servedByProxy(a):
		return fine(fmt.Sprintf("--%s: the running proxy serves %s", flag, a))
	case errors.Is(err, listen.ErrAddrInUse):
		return failing(fmt.Sprintf("--%s: another program listens on %s", flag, a), listen.Hint(flag, err))
	}
	return failing(fmt.Sprintf("--%s: cannot listen on %s: %v", flag, a, err), listen.Hint(flag, err))
}

func (x *examination) servedByProxy(a listen.Address) bool {
	return slices.ContainsFunc(x.overview.Listeners, func(base string) bool {
		if _, at, found := strings.Cut(base, "://"); found {
			base = at
		}
		served, err := listen.Parse(base)
		return err == nil && (served == a || served.Path == "" && a.Reaches(served.Host, fmt.Sprint(served.Port)))
	})
}
