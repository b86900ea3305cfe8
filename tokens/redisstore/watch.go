package redisstore

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"pandadoc-auth-proxy/tokens"
)

const (
	quiet        = 15 * time.Second // after this time without a message the connection is tested
	pongTimeout  = 5 * time.Second
	reconnectMin = 50 * time.Millisecond
	reconnectMax = 500 * time.Millisecond // an announcement may wait for our answer
)

var errSilent = errors.New("the subscription does not answer")

// Watch implements tokens.Watcher with one subscription, on a connection of its own.
func (s *Store) Watch(ctx context.Context, w tokens.Watch) {
	for pause := reconnectMin; ; pause = min(2*pause, reconnectMax) {
		connected, err := s.follow(ctx, w)
		if ctx.Err() != nil {
			return
		}
		w.Broken(s.fail("subscribe to", s.target.channel(), err))
		if connected {
			pause = reconnectMin
		}
		if !tokens.Sleep(ctx.Done(), pause) {
			return
		}
	}
}

// revive waits until calls reach the server again. After many failures the library refuses calls for another second,
// but everybody who learns that the store is connected reads at once.
func (s *Store) revive(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for s.client.Ping(ctx).Err() != nil && tokens.Sleep(ctx.Done(), retryPause) {
	}
}

// follow subscribes, and reports changes until the connection breaks. connected means that the subscription succeeded.
func (s *Store) follow(ctx context.Context, w tokens.Watch) (connected bool, err error) {
	sub := s.client.Subscribe(ctx, s.target.channel())
	defer sub.Close()
	// Receive checks ctx only between messages.
	defer context.AfterFunc(ctx, func() { sub.Close() })()
	asked := false // a ping was sent, and its pong has not arrived
	for {
		limit := quiet
		if asked || !connected {
			limit = pongTimeout
		}
		message, err := sub.ReceiveTimeout(ctx, limit)
		var timeout net.Error
		switch {
		case err == nil:
			asked = false
		case !errors.As(err, &timeout) || !timeout.Timeout():
			return connected, err
		case asked || !connected:
			return connected, errSilent
		default:
			if err := sub.Ping(ctx); err != nil {
				return connected, err
			}
			asked = true
			continue
		}
		switch m := message.(type) {
		case *redis.Subscription:
			connected = true
			s.revive(ctx)
			w.Connected()
		case *redis.Message:
			account, version, _ := strings.Cut(m.Payload, " ")
			if tokens.ValidAccount(account) {
				w.Changed(account, version)
			}
		}
	}
}
