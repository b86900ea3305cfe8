package redisstore_test

import (
	"testing"

	"pandadoc-auth-proxy/tokens/redisstore"
	"pandadoc-auth-proxy/tokens/redisstore/redistest"
	"pandadoc-auth-proxy/tokens/storetest"
)

// watch returns when the watch of s is connected.
func watch(t *testing.T, s *redisstore.Store) storetest.Reports {
	t.Helper()
	reports := storetest.Follow(t, s)
	reports.Connected(t)
	return reports
}

func TestAWatchConnectsAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	reports := watch(t, openURL(t, server.URL("")))
	server.Do("CLIENT", "KILL", "TYPE", "pubsub")
	reports.Broken(t)
	reports.Connected(t)
	server.Kill()
	reports.Broken(t)
	server.Restart()
	reports.Connected(t)
	saved := save(t, openURL(t, server.URL("")), storetest.Sample())
	reports.Changed(t, account, saved.Version)
}
