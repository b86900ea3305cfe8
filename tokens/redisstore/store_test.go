package redisstore_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/redisstore"
	"pandadoc-auth-proxy/tokens/redisstore/redistest"
	"pandadoc-auth-proxy/tokens/storetest"
)

const account = "acme"

func open(t *testing.T, o redisstore.Options) *redisstore.Store {
	t.Helper()
	if o.Warn == nil {
		o.Warn = func(text string) { t.Log(text) }
	}
	s, err := redisstore.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openURL(t *testing.T, url string) *redisstore.Store {
	t.Helper()
	return open(t, redisstore.Options{URL: url})
}

func save(t *testing.T, s tokens.Store, rec tokens.Record) tokens.Record {
	t.Helper()
	saved, err := s.Save(t.Context(), account, rec)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

// wantError checks that err contains text, and that its hint contains hint.
func wantError(t *testing.T, err error, text, hint string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(problem.HintOf(err), hint) {
		t.Errorf("got %v with hint %q, want %q with hint %q", err, problem.HintOf(err), text, hint)
	}
}

// suite runs the suite on server, each test with its own prefix, which is added to url. relayed is the address of
// server, or empty if url already has it.
func suite(t *testing.T, server *redistest.Server, relayed string, url func(via string) string) {
	t.Helper()
	storetest.Suite{Lists: true, Checks: true, Watches: true, Forgets: true, New: func(*testing.T) storetest.Place {
		prefix := "pandadoc-auth-proxy:" + rand.Text()
		return storetest.Place{
			Server: relayed,
			Open: func(t *testing.T, via string, keys *tokens.Codec) tokens.Store {
				return open(t, redisstore.Options{URL: url(via) + "prefix=" + prefix, Codec: keys})
			},
			Read: func(_ *testing.T, account string) []byte {
				return []byte(server.Do("HGET", prefix+":"+account, "record"))
			},
			Write: func(_ *testing.T, account string, data []byte) {
				server.Do("HSET", prefix+":"+account, "version", rand.Text(), "record", string(data))
			},
		}
	}}.Run(t)
}

func TestStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	suite(t, server, server.Addr(), func(via string) string { return "redis://" + via + "?" })
}

func TestPrefixesAndDatabasesKeepInstancesApart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	first := openURL(t, server.URL("prefix=one"))
	save(t, first, storetest.Sample())
	for _, url := range []string{server.URL(""), server.URL("prefix=o*"), strings.Replace(server.URL("prefix=one"), "/0", "/1", 1)} {
		other := openURL(t, url)
		if _, err := other.Load(t.Context(), account); !errors.Is(err, tokens.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", url, err)
		}
		if names, err := other.Accounts(t.Context()); err != nil || len(names) != 0 {
			t.Errorf("%s: got accounts %v, %v", url, names, err)
		}
	}
}

func TestKeysOfOtherProgramsAreNotChanged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openURL(t, server.URL(""))
	const key = "pandadoc-auth-proxy:acme"
	for _, row := range []struct {
		name, error, hint string
		write             []string
		read              []string
	}{
		{"a string", "WRONGTYPE", "?prefix=", []string{"SET", key, "x"}, []string{"GET", key}},
		{"another hash", "did not write", "?prefix=", []string{"HSET", key, "name", "x"}, []string{"HGET", key, "name"}},
		{"a hash with a version only", "did not write", "?prefix=", []string{"HSET", key, "version", "x"}, []string{"HGET", key, "version"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			server.Do("FLUSHALL")
			server.Do(row.write...)
			before := server.Do(row.read...)
			_, err := s.Load(t.Context(), account)
			wantError(t, err, row.error, row.hint)
			if _, err := s.Save(t.Context(), account, storetest.Sample()); err == nil {
				t.Error("a save has replaced it")
			}
			if after := server.Do(row.read...); after != before {
				t.Errorf("it was %q and is %q", before, after)
			}
		})
	}
}

func TestAServerThatRefuses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do("ACL", "SETUSER", "reader", "on", ">secret", "~*", "&*", "+@all", "-eval")
	server.Do("ACL", "SETUSER", "deaf", "on", ">secret", "~*", "resetchannels", "+@all")
	server.Do("CONFIG", "SET", "requirepass", "hunter2")
	at := func(user string) string { return "redis://" + user + server.Addr() }
	for _, row := range []struct{ name, url, error, hint string }{
		{"no password", at(""), "NOAUTH", "--store-password-file"},
		{"the wrong password", at(":wrong-one@"), "WRONGPASS", "--store-password-file"},
		{"a right that is missing", at("reader:secret@"), "NOPERM", "ACL SETUSER reader '~pandadoc-auth-proxy:*' '&pandadoc-auth-proxy:*' "},
		{"a channel that is missing", at("deaf:secret@"), "can't publish", "ACL SETUSER deaf '~pandadoc-auth-proxy:*'"},
		{"a database that does not exist", at(":hunter2@") + "/99", "DB index", "/0"},
		{"no TLS", strings.Replace(at(":hunter2@"), "redis:", "rediss:", 1), "deadline exceeded", "write redis://"},
		{"no server", "redis://:hunter2@127.0.0.1:1", "connection refused", "reached at 127.0.0.1:1; if it uses TLS, write rediss://"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := openURL(t, row.url)
			_, err := s.Save(t.Context(), account, storetest.Sample())
			wantError(t, err, row.error, row.hint)
			wantError(t, s.Check(t.Context(), ""), row.error, row.hint)
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "wrong-one") || strings.Contains(err.Error(), "secret@") {
				t.Errorf("%v shows a password", err)
			}
		})
	}
}

// The rights in the hint and in the documentation are enough for every operation.
func TestAUserWithTheDocumentedRights(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do(append(strings.Fields("ACL SETUSER proxy on >secret resetkeys resetchannels"), strings.Fields(redisstore.Rights("pandadoc-auth-proxy"))...)...)
	url := "redis://proxy:secret@" + server.Addr()
	suite(t, server, "", func(string) string { return url + "?" })
	if err := openURL(t, url).Check(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

func TestAChangedPasswordIsUsedForNewConnections(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do("ACL", "SETUSER", "proxy", "on", ">first", "~*", "&*", "+@all")
	password := "first"
	s := open(t, redisstore.Options{
		URL: "redis://proxy@" + server.Addr(), Password: func() (tokens.Secret, error) { return tokens.NewSecret(password), nil },
	})
	rec := save(t, s, storetest.Sample())
	password = "second"
	server.Do("ACL", "SETUSER", "proxy", "resetpass", ">second")
	server.Do("CLIENT", "KILL", "USER", "proxy")
	save(t, s, rec)
}

func TestEvictionIsRefused(t *testing.T) {
	t.Parallel()
	for _, maxmemory := range []string{"100mb", "0"} {
		t.Run(maxmemory, func(t *testing.T) {
			server := redistest.Start(t, "--maxmemory", maxmemory, "--maxmemory-policy", "allkeys-lru")
			s := openURL(t, server.URL(""))
			_, err := s.Save(t.Context(), account, storetest.Sample())
			wantError(t, err, "allkeys-lru", "noeviction")
			wantError(t, s.Check(t.Context(), ""), "allkeys-lru", "noeviction")
			server.Do("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
			save(t, s, storetest.Sample())
		})
	}
}

// A failover leads to a server with other settings, and somebody can change those of this one: the store asked only
// once for each connection, and went on saving.
func TestEvictionIsRefusedAsSoonAsItIsSet(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openURL(t, server.URL(""))
	rec := save(t, s, storetest.Sample())
	server.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
	_, err := s.Save(t.Context(), account, rec)
	wantError(t, err, "allkeys-lfu", "noeviction")
}

func TestTheErrorNamesAFullMemory(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openURL(t, server.URL(""))
	rec := save(t, s, storetest.Sample())
	server.Do("CONFIG", "SET", "maxmemory", "1")
	_, err := s.Save(t.Context(), account, rec)
	wantError(t, err, "OOM", "maxmemory")
	if _, err := s.Load(t.Context(), account); err != nil {
		t.Errorf("what is stored cannot be read: %v", err)
	}
}

func TestLackOfPersistenceIsOneWarning(t *testing.T) {
	t.Parallel()
	for appendonly, want := range map[string]int{"no": 1, "yes": 0} {
		server := redistest.Start(t, "--appendonly", appendonly)
		warnings := 0
		s := open(t, redisstore.Options{URL: server.URL(""), Warn: func(string) { warnings++ }})
		for range 3 { // a program checks more than once
			if err := s.Check(t.Context(), ""); err != nil {
				t.Error(err)
			}
		}
		if warnings != want {
			t.Errorf("appendonly %s: %d warnings, want %d", appendonly, warnings, want)
		}
	}
}

func TestTheStoreWorksAgainAfterARestartOfTheServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := openURL(t, server.URL(""))
	rec := save(t, s, storetest.Sample())
	server.Kill()
	if _, err := s.Load(t.Context(), account); err == nil {
		t.Error("a dead server gave a record")
	}
	server.Restart()
	found, err := s.Load(t.Context(), account)
	if err != nil || found.Version != rec.Version {
		t.Fatalf("got %v, %v, want %v", found, err, rec)
	}
	save(t, s, found)
}

// A record that another process created while Load was looking was taken for that of another program: the account was
// reported as store-unavailable, with a hint to change the prefix.
func TestALoadBesideTheFirstSave(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, other := openURL(t, server.URL("")), openURL(t, server.URL(""))
	for i := range 500 {
		name := fmt.Sprintf("a-%d", i)
		saved := make(chan error)
		go func() {
			_, err := other.Save(t.Context(), name, storetest.Sample())
			saved <- err
		}()
		for found := false; !found; {
			_, err := s.Load(t.Context(), name)
			if err != nil && !errors.Is(err, tokens.ErrNotFound) {
				t.Fatalf("Load of account %s: %v", name, err)
			}
			found = err == nil
		}
		if err := <-saved; err != nil {
			t.Fatal(err)
		}
	}
}
