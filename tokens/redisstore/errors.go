package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

var (
	errForeign  = errors.New("the key holds something that this program did not write")
	errReplicas = errors.New("too few replicas have the save")
)

// passing reports whether err may disappear soon: a broken connection, or a server that is starting or being
// replaced.
func passing(err error) bool {
	switch {
	case err == nil, errors.Is(err, tokens.ErrConflict), errors.Is(err, errForeign), errors.Is(err, errReplicas), problem.TLSHint(err) != "":
		return false
	case answered(err):
		return code(err, "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS")
	}
	return !errors.Is(err, context.Canceled)
}

// unproven reports whether a save that failed with err may still have been carried out.
func unproven(err error) bool {
	switch {
	case err == nil, errors.Is(err, tokens.ErrConflict), errors.Is(err, errForeign):
		return false
	}
	return !answered(err)
}

// answered reports whether err is an answer of the server.
func answered(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// code reports whether the server's error has one of codes. A code is the first word of an error; if a script failed,
// it is inside the text.
func code(err error, codes ...string) bool {
	for _, c := range codes {
		if text := err.Error(); strings.HasPrefix(text, c+" ") || strings.Contains(text, " "+c+" ") || strings.Contains(text, "-"+c+" ") {
			return true
		}
	}
	return false
}

func (s *Store) wrap(op, key string, err error) error {
	return fmt.Errorf("token store: %s %s of %s: %w", op, key, s.target.name, err)
}

// fail adds to err the operation that failed, and a hint.
func (s *Store) fail(op, key string, err error) error {
	return problem.WithHint(s.wrap(op, key, err), s.hint(err))
}

func (s *Store) hint(err error) string {
	switch {
	case errors.Is(err, errForeign), code(err, "WRONGTYPE"):
		return "give this program a prefix of its own with ?prefix=NAME; the key is left as it is"
	case errors.Is(err, errReplicas):
		return "check that the replicas are connected, or lower ?wait="
	case code(err, "NOAUTH", "WRONGPASS") || strings.Contains(err.Error(), "invalid password"):
		return "check the user and password: in the URL of PANDADOC_STORE, or with --store-password-file"
	case code(err, "NOPERM"), strings.Contains(err.Error(), "can't publish to the channel"): // the latter by a script
		rights := problem.Quote(strings.Fields(Rights(s.target.prefix))...) // & and | have a meaning in a shell
		return fmt.Sprintf("run: redis-cli ACL SETUSER %s %s", problem.Quote(cmp.Or(s.target.user, "default")), rights)
	case code(err, "NOREPLICAS"):
		return "check that the replicas are connected, or lower min-replicas-to-write of the server"
	case code(err, "OOM"):
		return "raise maxmemory of the server, or remove other keys; the stored records are unharmed"
	case code(err, "MISCONF"):
		return "the server cannot write to its disk: make room there, or see its log"
	case strings.Contains(err.Error(), "DB index"):
		return "use a database that the server has: redis://HOST:PORT/0"
	case code(err, "READONLY"):
		return "use the address of the master, not of a replica; with Sentinel, add ?master_name=NAME"
	case code(err, "MOVED", "ASK", "CROSSSLOT"):
		return "the server is part of a cluster: add ?cluster=true"
	case problem.TLSHint(err) != "":
		return problem.TLSHint(err)
	case answered(err):
		return "see the log of the server"
	}
	protocol := "if it uses TLS, write rediss://"
	if s.target.tls {
		protocol = "if it does not use TLS, write redis://; it must not require client certificates (tls-auth-clients no)"
	}
	return "check that the server runs and can be reached at " + strings.Join(s.target.hosts, ", ") + "; " + protocol
}

// Rights returns what the user of Redis must be allowed, as arguments of ACL SETUSER.
func Rights(prefix string) string {
	return fmt.Sprintf("~%s:* &%[1]s:* +@read +@write +@connection +@pubsub +eval +info +wait +config|get", prefix)
}
