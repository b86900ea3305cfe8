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

// replica starts a server that follows master, and returns when it has all that master has.
func replica(t *testing.T, master *redistest.Server) *redistest.Server {
	t.Helper()
	r := redistest.Start(t, "--replicaof", strings.Replace(master.Addr(), ":", " ", 1))
	eventually(t, "follow the master", func() bool { return strings.Contains(r.Info("replication"), "master_link_status:up") })
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
	eventually(t, "know the replica", func() bool { return strings.Contains(sentinel.Info("sentinel"), "slaves=1") })
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

// One name stands for the master, as managed Redis has it: connections stay open to the old one, which takes no writes
// any more, and new ones reach the new one.
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
	eventually(t, "follow the new master", func() bool { return strings.Contains(old.Info("replication"), "master_link_status:up") })
	saved = save(t, openURL(t, fresh.URL("")), saved)
	reports.Changed(t, account, saved.Version)
}

// forward returns an address whose connections lead to where target says at their beginning.
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

// With ?wait=1 a save that is on no replica has not succeeded, and is not taken for done when it is tried again.
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

// The nodes of a cluster name their own addresses, so that nothing can stand between them and the store.
func TestStoreInACluster(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--cluster-enabled", "yes")
	server.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	eventually(t, "form a cluster", func() bool { return strings.Contains(server.Text("CLUSTER", "INFO"), "cluster_state:ok") })
	url := "redis://" + server.Addr() + "?cluster=true"
	suite(t, server, "", func(string) string { return url + "&" })
	if err := openURL(t, url).Check(t.Context(), ""); err != nil {
		t.Error(err)
	}
}
