package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
)

// probe is a key that no account can have.
const probe = "Probe"

// Check proves that records can be read and written, and checks if the server may lose them. It changes no record. Its
// errors are those of Load and Save.
func (s *Store) Check(ctx context.Context, _ string) error {
	if err := s.again(ctx, func() error { return s.client.Ping(ctx).Err() }); err != nil {
		return s.fail("connect to", "server", err)
	}
	if err := s.refuseEviction(ctx, probe); err != nil {
		return err
	}
	s.warnOfForgetting(ctx)
	// A script that does nothing proves the right to run one, and to use our keys and our channel.
	node, err := s.node(ctx, probe)
	if err != nil {
		return s.fail("use", s.key(probe), err)
	}
	const try = `redis.call('HSET', KEYS[1], 'probe', '1') redis.call('DEL', KEYS[1]) redis.call('PUBLISH', ARGV[1], '') return 1`
	run := func() error { return node.Eval(ctx, try, []string{s.key(probe)}, s.target.channel()).Err() }
	if err := s.again(ctx, run); err != nil {
		return s.fail("write", s.key(probe), err)
	}
	return nil
}

// refuseEviction returns an error if the server may drop our keys when its memory is full. It asks before every
// save: saves are rare, and the policy can be changed at any time, or be that of another server after a failover.
func (s *Store) refuseEviction(ctx context.Context, account string) error {
	var memory map[string]string
	err := s.again(ctx, func() (err error) {
		memory, err = s.info(ctx, account, "memory")
		return err
	})
	switch {
	case err != nil && code(err, "NOPERM"):
		s.blind.Do(func() {
			s.warn("token store: the user may not run INFO, so it is not known whether Redis evicts keys; allow +info, or check maxmemory-policy yourself")
		})
	case err != nil:
		return s.fail("examine", "server", err)
	case strings.HasPrefix(memory["maxmemory_policy"], "allkeys-"):
		// Without maxmemory nothing is evicted yet, but it can be set at any time.
		return problem.WithHint(
			s.wrap("use", "server", fmt.Errorf("maxmemory-policy is %s: when its memory is full, it deletes tokens", memory["maxmemory_policy"])),
			"run: redis-cli CONFIG SET maxmemory-policy noeviction (or volatile-lru: our keys have no expiry), or use a server of its own")
	}
	return nil
}

// warnOfForgetting warns once if the server keeps nothing on disk. It does not warn if the user has no right to ask.
func (s *Store) warnOfForgetting(ctx context.Context) {
	node, err := s.node(ctx, probe)
	if err != nil {
		return
	}
	persistence, err := s.info(ctx, probe, "persistence")
	snapshots, saveErr := node.ConfigGet(ctx, "save").Result()
	if errors.Join(err, saveErr) == nil && persistence["aof_enabled"] == "0" && snapshots["save"] == "" {
		s.forgets.Do(func() {
			s.warn("token store: Redis keeps nothing on disk (no AOF, no snapshots): a restart of Redis loses all tokens; set appendonly yes")
		})
	}
}

// info returns one section of INFO, from the server that holds account.
func (s *Store) info(ctx context.Context, account, section string) (map[string]string, error) {
	node, err := s.node(ctx, account)
	if err != nil {
		return nil, err
	}
	text, err := node.Info(ctx, section).Result()
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			values[name] = value
		}
	}
	return values, nil
}
