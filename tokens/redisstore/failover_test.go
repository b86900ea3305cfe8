package redisstore_test

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/redisstore/redistest"
	"pandadoc-auth-proxy/tokens/storetest"
)

// replica starts a replica of master, and returns when it has all data of master.
func replica(t *testing.T, master *redistest.Server) *redistest.Server {
	t.Helper()
	r := redistest.Start(t, "--replicaof", strings.Replace(master.Addr(), ":", " ", 1))
	eventually(t, "follow the master", func() bool { return strings.Contains(r.Do("INFO", "replication"), "master_link_status:up") })
	return r
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); !f(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it does not " + what)
		}
	}
}

// The store finds the new master by itself, for saves and for the watch.
func TestAFailoverIsFollowedThroughSentinel(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica(t, master)
	sentinel := master.Watch()
	eventually(t, "know the replica", func() bool { return strings.Contains(sentinel.Do("INFO", "sentinel"), "slaves=1") })
	s := openURL(t, "redis://"+sentinel.Addr()+"/0?master_name=tokens&wait=1")
	reports := watch(t, s)
	rec := save(t, s, storetest.Sample())
	s = openURL(t, "redis://"+sentinel.Addr()+"/0?master_name=tokens")
	master.Kill()
	var saved tokens.Record
	eventually(t, "save on the new master", func() (ok bool) {
		var err error
		saved, err = s.Save(t.Context(), account, rec)
		return err == nil
	})
	reports.Broken(t)
	reports.Connected(t)
	saved = save(t, s, saved)
	reports.Changed(t, account, saved.Version)
}

// Managed Redis has one name for the master. After a failover, open connections stay at the old master, which accepts
// no writes any more, and new connections reach the new master.
func TestAFailoverBehindOneNameIsFollowed(t *testing.T) {
	t.Parallel()
	old := redistest.Start(t)
	fresh := replica(t, old)
	var master atomic.Pointer[redistest.Server]
	master.Store(old)
	s := openURL(t, "redis://"+forward(t, func() string { return master.Load().Addr() })+"/0")
	reports := watch(t, s)
	rec := save(t, s, storetest.Sample())
	eventually(t, "replicate the save", func() bool { return fresh.Do("HGET", "pandadoc-auth-proxy:acme", "version") == rec.Version })
	fresh.Do("REPLICAOF", "NO", "ONE")
	master.Store(fresh)
	old.Do(append([]string{"REPLICAOF"}, strings.Split(fresh.Addr(), ":")...)...)
	saved := save(t, s, rec)
	if got := fresh.Do("HGET", "pandadoc-auth-proxy:acme", "version"); got != saved.Version {
		t.Errorf("the new master holds version %q, want %q", got, saved.Version)
	}
	eventually(t, "follow the new master", func() bool { return strings.Contains(old.Do("INFO", "replication"), "master_link_status:up") })
	saved = save(t, openURL(t, fresh.URL("")), saved)
	reports.Changed(t, account, saved.Version)
}

// forward returns an address. It forwards each connection to the target at the time when the connection begins.
func forward(t *testing.T, target func() string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target())
			if err != nil {
				client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); server.Close() }() // either side may end it
			go func() { _, _ = io.Copy(client, server); client.Close() }()
		}
	}()
	return l.Addr().String()
}

// With ?wait=1, a save that is on no replica has failed, and a second try does not count as done either.
func TestASaveWaitsForReplicas(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	s := openURL(t, master.URL("wait=1"))
	rec := storetest.Sample()
	for range 2 {
		_, err := s.Save(t.Context(), account, rec)
		wantError(t, err, "too few replicas have the save: 0 of 1", "lower ?wait=")
	}
	replica(t, master)
	saved := save(t, s, rec)
	if found, err := s.Load(t.Context(), account); err != nil || found.Version != saved.Version {
		t.Errorf("got %v, %v, want %v", found, err, saved)
	}
}

// There is no relay here: the nodes of a cluster report their own addresses, so the store would bypass it.
func TestStoreInACluster(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--cluster-enabled", "yes")
	server.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	eventually(t, "form a cluster", func() bool { return strings.Contains(server.Do("CLUSTER", "INFO"), "cluster_state:ok") })
	url := "redis://" + server.Addr() + "?cluster=true"
	suite(t, server, "", func(string) string { return url + "&" })
	if err := openURL(t, url).Check(t.Context(), ""); err != nil {
		t.Error(err)
	}
}
