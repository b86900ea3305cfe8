package kubestore_test

import (
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens/kubestore"
	"pandadoc-auth-proxy/tokens/kubestore/kubetest"
	"pandadoc-auth-proxy/tokens/storetest"
)

// watch returns when the watch of s is connected.
func watch(t *testing.T, s *kubestore.Store) storetest.Reports {
	t.Helper()
	reports := storetest.Follow(t, s)
	reports.Connected(t)
	return reports
}

func TestAWatchReportsRemovals(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	save(t, openAt(t, server), storetest.Sample())
	reports := watch(t, openAt(t, server))
	server.Delete(name)
	reports.Changed(t, account, "")
}

func TestAWatchByNameNeedsNoRightToList(t *testing.T) {
	server := kubetest.Start(t, kubetest.Named(name))
	server.Put(name, func(kubetest.Secret) {})
	s := openAt(t, server)
	reports := watch(t, s)
	_, _ = s.Load(t.Context(), account) // now it is in use
	reports.Connected(t)
	save(t, openAt(t, server), storetest.Sample())
	reports.Changed(t, account, "")
}

// A Secret that an operator has made has no labels, so the watch of labelled Secrets does not report it.
func TestAPreparedSecretIsWatchedBesideTheOthers(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	server.Put(name, func(kubetest.Secret) {})
	s := openAt(t, server)
	reports := watch(t, s)
	_, _ = s.Load(t.Context(), account)
	reports.Connected(t)
	server.Put(name, func(secret kubetest.Secret) { secret["data"] = map[string]any{"other": "eA=="} })
	reports.Changed(t, account, "")
}

func TestAfter410TheListIsReadAgain(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	other := openAt(t, server)
	rec := save(t, other, storetest.Sample())
	reports := watch(t, openAt(t, server))
	comeBack := server.GoAway()
	reports.Broken(t)
	server.Forget()
	server.Put(name, func(secret kubetest.Secret) { secret["metadata"].(map[string]any)["generation"] = 2 })
	server.Forget()
	comeBack()
	reports.Changed(t, account, "") // it changed while nobody watched
	reports.Connected(t)
	save(t, other, rec)
	reports.Changed(t, account, "")
}

func TestAnIdleWatchAsksForNothing(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	watch(t, openAt(t, server))
	before, _ := server.Requests()
	timer := time.NewTimer(3 * time.Second) // bookmarks arrive, and the store sends no requests
	<-timer.C
	if after, byVerb := server.Requests(); after != before {
		t.Errorf("%d requests in three idle seconds: %v", after-before, byVerb)
	}
}

func TestAccountsAreListedByTheirLabels(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	s := openAt(t, server)
	save(t, s, storetest.Sample())
	save(t, open(t, kubestore.Options{URL: server.URL(), Prefix: "pandadoc-auth-proxy-other"}), storetest.Sample())
	names, err := s.Accounts(t.Context())
	if err != nil || len(names) != 1 || names[0] != account {
		t.Errorf("got %v, %v", names, err)
	}
}
