package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/redisstore/redistest"
	"pandadoc-auth-proxy/tokens/storetest"
)

// replica starts a server that follows master, and returns when it has all that master has.
func replica(t *testing.T, master *redistest.Server) {
	t.Helper()
	r := redistest.Start(t, "--replicaof", strings.Replace(master.Addr(), ":", " ", 1))
	eventually(t, "follow the master", func() bool { return strings.Contains(r.Info("replication"), "master_link_status:up") })
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
	if err := openURL(t, url).Check(t.Context()); err != nil {
		t.Error(err)
	}
}
