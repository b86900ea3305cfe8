// Package redisstore keeps the records of accounts in Redis or Valkey, for any number of processes on any
// number of machines:
//
//	store, err := redisstore.Open(redisstore.Options{URL: "rediss://proxy@redis.example:6380/0"})
//	rec, err := store.Load(ctx, "default")
//
// # Keys
//
//	PREFIX:ACCOUNT          a hash: "record" is the record (tokens.Codec), "version" a random text
//	PREFIX:changes@DB       a channel: each save publishes "ACCOUNT VERSION"
//
// One script compares the version, writes the hash and publishes. Versions are random and not a counter: after
// a failover that loses a save, a counter could give the same version to two records.
//
// # What Redis can lose
//
// Redis acknowledges a save before its replicas have it, so a failover can lose it. With ?wait=N a save has
// succeeded only when N replicas have it. Without that, package tokens compensates: Store is tokens.Forgetful,
// so a process with a newer pair is informed when a refresh begins, and puts its pair back. Eviction policies
// that may drop our keys are refused. If there is no persistence, that is a warning.
//
// # The library
//
// go-redis supports Sentinel and Redis Cluster, so the store follows a failover by itself. It makes the program file
// 8 MB larger and needs 1.4 MB more resident memory at idle, 0.1 MB of it heap. redigo is much smaller but supports
// neither of the two. Then our own code would have to find the new master after a failover, and a mistake in it
// could cost a login.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

const (
	dialTimeout = 3 * time.Second
	callTimeout = 3 * time.Second
	waitTimeout = 2 * time.Second // for replicas
	retryPause  = 100 * time.Millisecond
	settle      = 2 * time.Second // see tokens.Forgetful
)

// Store is a tokens.Store in Redis. All its methods may be called concurrently.
type Store struct {
	client redis.UniversalClient
	target target
	codec  *tokens.Codec
	warn   func(string) // never nil

	// unproven saves are tried again, even if they were done: they may not be on the replicas.
	unproven tokens.Unproven
	forgets  sync.Once // warns that the server keeps nothing on disk
	blind    sync.Once // warns that nobody knows if the server drops our keys
}

var (
	_ tokens.Store     = (*Store)(nil)
	_ tokens.Lister    = (*Store)(nil)
	_ tokens.Watcher   = (*Store)(nil)
	_ tokens.Forgetful = (*Store)(nil)
	_ tokens.Checker   = (*Store)(nil)
)

// swapScript's arguments are a version, a record, a channel, a message, and all versions that the record may replace.
// It returns 1 if the record was written, 0 if the stored version is another one, and -1 for a hash that is not ours.
const swapScript = `
local stored = redis.call('HGET', KEYS[1], 'version')
if not stored and redis.call('EXISTS', KEYS[1]) == 1 then return -1 end
for i = 5, #ARGV do
	if ARGV[i] == (stored or '') then
		redis.call('HSET', KEYS[1], 'version', ARGV[1], 'record', ARGV[2])
		redis.call('PUBLISH', ARGV[3], ARGV[4])
		return 1
	end
end
return 0`

// Open returns the store that o names. It does not connect, because the server may be unavailable at the start and
// come back later.
func Open(o Options) (*Store, error) {
	t, err := parse(o.URL)
	if err != nil {
		return nil, err
	}
	logging.Disable() // the library would write to standard error; its messages are returned as errors too
	s := &Store{client: redis.NewUniversalClient(t.options(o)), target: t, codec: o.Codec, warn: o.Warn}
	if s.warn == nil {
		s.warn = func(string) {}
	}
	return s, nil
}

// Name describes the store to users, without a password.
func (s *Store) Name() string { return s.target.name }

// Close closes the connections. A Watch must have ended before.
func (s *Store) Close() error { return s.client.Close() }

// Settle implements tokens.Forgetful.
func (s *Store) Settle() time.Duration { return settle }

func (s *Store) key(account string) string { return s.target.prefix + ":" + account }

// Load implements tokens.Store. It always asks the master.
func (s *Store) Load(ctx context.Context, account string) (tokens.Record, error) {
	if err := errors.Join(tokens.CheckAccount(account), ctx.Err()); err != nil {
		return tokens.Record{}, err
	}
	// One command reads all: a record that is created between two would look like the hash of another program.
	var found map[string]string
	err := s.again(ctx, func() (err error) {
		found, err = s.client.HGetAll(ctx, s.key(account)).Result()
		return err
	})
	version, versioned := found["version"]
	data, recorded := found["record"]
	switch {
	case err != nil:
		return tokens.Record{}, s.fail("read", s.key(account), err)
	case len(found) == 0:
		return tokens.Record{}, tokens.ErrNotFound
	case !versioned || !recorded:
		return tokens.Record{}, s.fail("use", s.key(account), errForeign)
	}
	rec, err := s.codec.DecodeStored(account, []byte(data),
		"update this program, or give this program a prefix of its own with ?prefix=NAME; the record is left as it is",
		"restore the key from a backup, or rename it and sign in again; it is left as it is")
	if err != nil {
		return tokens.Record{}, s.wrap("read", s.key(account), err)
	}
	rec.Version = version
	return rec, nil
}

// Save implements tokens.Store. If the connection is lost, it tries again until ctx ends, and recognises its own write
// if the first try was done.
func (s *Store) Save(ctx context.Context, account string, rec tokens.Record) (tokens.Record, error) {
	return s.unproven.Save(ctx, s.codec, account, rec, func(version string, data []byte, replaces []string) (lost bool, err error) {
		if err := s.refuseEviction(ctx, account); err != nil {
			return false, err
		}
		args := []any{version, data, s.target.channel(), account + " " + version, version}
		for _, old := range replaces {
			args = append(args, old)
		}
		err = s.again(ctx, func() error {
			err := s.swap(ctx, account, args)
			lost = lost || unproven(err)
			return err
		})
		if err != nil && !errors.Is(err, tokens.ErrConflict) {
			err = s.fail("write", s.key(account), err)
		}
		return lost, err
	})
}

// swap runs the script and then waits for the replicas, on one connection: WAIT counts the writes of its
// own connection only.
func (s *Store) swap(ctx context.Context, account string, args []any) error {
	node, err := s.node(ctx, account)
	if err != nil {
		return err
	}
	conn := node.Conn()
	defer conn.Close()
	result, err := conn.Eval(ctx, swapScript, []string{s.key(account)}, args...).Int()
	switch {
	case err != nil:
		return err
	case result < 0:
		return errForeign
	case result == 0:
		return tokens.ErrConflict
	case s.target.wait == 0:
		return nil
	}
	n, err := conn.Wait(ctx, s.target.wait, waitTimeout).Result()
	if err == nil && int(n) < s.target.wait {
		err = fmt.Errorf("%w: %d of %d", errReplicas, n, s.target.wait)
	}
	return err
}

// node returns the server that holds the record of account.
func (s *Store) node(ctx context.Context, account string) (*redis.Client, error) {
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, s.key(account))
	case *redis.Client:
		return c, nil
	}
	return nil, fmt.Errorf("no such client: %T", s.client)
}

// again runs f, and up to two more times after an error that may disappear soon. It does not ask a server again that
// did not answer in time, because the caller is waiting.
func (s *Store) again(ctx context.Context, f func() error) error {
	began := time.Now()
	for pause := retryPause; ; pause *= 4 {
		err := f()
		if !passing(err) || pause > 4*retryPause || time.Since(began) >= callTimeout || !tokens.Sleep(ctx.Done(), pause) {
			return err
		}
	}
}

// Accounts implements tokens.Lister. It reads the names of all keys in the database.
func (s *Store) Accounts(ctx context.Context) ([]string, error) {
	var mu sync.Mutex // guards names: the nodes of a cluster are read concurrently
	var names []string
	walk := func(ctx context.Context, node *redis.Client) error {
		keys := node.ScanType(ctx, 0, glob(s.target.prefix)+":*", 1000, "hash").Iterator()
		for keys.Next(ctx) {
			name := strings.TrimPrefix(keys.Val(), s.target.prefix+":")
			if tokens.ValidAccount(name) {
				mu.Lock()
				names = append(names, name)
				mu.Unlock()
			}
		}
		return keys.Err()
	}
	var err error
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, walk)
	case *redis.Client:
		err = walk(ctx, c)
	}
	if err != nil {
		return nil, s.fail("list", s.target.prefix+":*", err)
	}
	slices.Sort(names)
	return slices.Compact(names), nil // SCAN may return a key twice
}

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
			"run: redis-cli CONFIG SET maxmemory-policy noeviction (or volatile-lru: our keys have no expiry), or use another Redis server for the proxy")
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
