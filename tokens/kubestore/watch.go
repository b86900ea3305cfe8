package kubestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"pandadoc-auth-proxy/tokens"
)

const (
	watchTime    = 5 * time.Minute // the server ends a watch after this time; the next one continues there
	reconnectMin = 100 * time.Millisecond
	reconnectMax = 5 * time.Second
	pageSize     = "500"
)

var errGone = errors.New("the API server no longer has the version from which the watch must continue")

// metadata is the part of a Secret that lists and watches return.
type metadata struct {
	Name            string            `json:"name"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]string `json:"labels"`
}

// list returns our Secrets, and the version from which a watch continues. Callers add the operation to its errors.
func (s *Store) list(ctx context.Context) (items []metadata, version string, err error) {
	query := url.Values{"labelSelector": {storeLabel + "=" + s.prefix}, "limit": {pageSize}}
	for {
		var page struct {
			Metadata struct {
				ResourceVersion string `json:"resourceVersion"`
				Continue        string `json:"continue"`
			} `json:"metadata"`
			Items []struct {
				Metadata metadata `json:"metadata"`
			} `json:"items"`
		}
		if err := s.api.call(ctx, http.MethodGet, "", query, nil, &page); err != nil {
			return nil, "", err
		}
		for _, item := range page.Items {
			items = append(items, item.Metadata)
		}
		if page.Metadata.Continue == "" {
			return items, page.Metadata.ResourceVersion, nil
		}
		query.Set("continue", page.Metadata.Continue)
	}
}

// watchAlone makes the Secret of account watched by name: it has no labels, or it does not exist yet and may be created
// without labels.
func (s *Store) watchAlone(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.single[account] || len(s.single) >= maxSingle {
		return
	}
	s.single[account] = true
	select {
	case s.follow <- struct{}{}:
	default:
	}
}

// maxSingle limits the watches of single Secrets, because clients can ask for any number of accounts that do not exist.
// Other Secrets are read when they are needed.
const maxSingle = 32

// Watch implements tokens.Watcher: with one watch of all labelled Secrets, if there is a right to list, and one watch
// for each other Secret in use.
func (s *Store) Watch(ctx context.Context, w tokens.Watch) {
	r := &reporter{watch: w, broken: map[string]error{}}
	var streams sync.WaitGroup
	defer streams.Wait()
	started := map[string]bool{}
	for {
		s.mu.Lock()
		accounts := slices.AppendSeq([]string{""}, maps.Keys(s.single)) // "" is all labelled ones
		s.mu.Unlock()
		for _, account := range accounts {
			if !started[account] {
				started[account] = true
				r.expect(account)
				streams.Go(func() { s.stream(ctx, r, account) })
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-s.follow:
		}
	}
}

// stream follows one account, or all labelled ones if account is empty, until ctx ends.
func (s *Store) stream(ctx context.Context, r *reporter, account string) {
	version := ""
	for pause := reconnectMin; ; pause = min(2*pause, reconnectMax) {
		began := time.Now()
		err := s.followFrom(ctx, r, account, &version)
		switch {
		case ctx.Err() != nil:
			return
		case account == "" && status(err) == http.StatusForbidden:
			r.connected("") // no change is missed: every Secret in use is watched by name
			s.mu.Lock()
			s.noList = true
			used := slices.Collect(maps.Keys(s.seen))
			s.mu.Unlock()
			for _, account := range used {
				s.watchAlone(account)
			}
			return
		case errors.Is(err, errGone):
			version = ""      // begin again with the current state
			r.expect(account) // removals since then are not reported, so everything is read again
		case err != nil:
			r.lost(account, s.fail("watch", s.watched(account), err))
		}
		if err == nil || time.Since(began) > reconnectMax {
			pause = reconnectMin
		}
		if !tokens.Sleep(ctx.Done(), pause/2+rand.N(pause)) {
			return
		}
	}
}

func (s *Store) watched(account string) string {
	if account == "" {
		return "Secrets"
	}
	return s.secretName(account)
}

// followFrom watches from *version on, and sets it to the version of the last event. With an empty version it reads the
// current state first. It returns nil if the server has ended the watch normally.
func (s *Store) followFrom(ctx context.Context, r *reporter, account string, version *string) error {
	query := url.Values{
		"watch": {"1"}, "allowWatchBookmarks": {"true"},
		"timeoutSeconds": {strconv.Itoa(int((watchTime + rand.N(watchTime/5)).Seconds()))},
	}
	if account == "" {
		query.Set("labelSelector", storeLabel+"="+s.prefix)
		if *version == "" {
			items, now, err := s.list(ctx)
			if err != nil {
				return err
			}
			*version = now
			for _, item := range items {
				s.report(r, s.accountOf(item), item.ResourceVersion)
			}
		}
	} else {
		query.Set("fieldSelector", "metadata.name="+s.secretName(account))
	}
	if *version == "" {
		// With version 0, a watch begins with the state that the API server has in memory. With bookmarks or without a
		// version, the server would ask etcd for its progress, which an older etcd does not report.
		query.Set("resourceVersion", "0")
		query.Del("allowWatchBookmarks")
	} else {
		query.Set("resourceVersion", *version)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*watchTime) // in case the server does not end the watch
	defer cancel()
	answer, err := s.api.send(ctx, http.MethodGet, "", query, nil)
	if status(err) == http.StatusGone {
		return errGone
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	r.connected(account)
	events := json.NewDecoder(answer.Body)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := events.Decode(&event); err != nil {
			if errors.Is(err, io.EOF) {
				return nil // the server has ended the watch between two events
			}
			return fmt.Errorf("the watch was cut: %w", err)
		}
		if err := s.event(r, account, event.Type, event.Object, version); err != nil {
			return err
		}
	}
}

func (s *Store) event(r *reporter, account, kind string, object json.RawMessage, version *string) error {
	if kind == "ERROR" {
		var e struct {
			Code int `json:"code"`
		}
		if json.Unmarshal(object, &e) == nil && e.Code == http.StatusGone {
			return errGone
		}
		return newStatusError(e.Code, object)
	}
	var o struct {
		Metadata metadata `json:"metadata"`
	}
	if err := json.Unmarshal(object, &o); err != nil || o.Metadata.ResourceVersion == "" {
		return errors.New("an event of the watch cannot be read")
	}
	*version = o.Metadata.ResourceVersion
	if kind == "BOOKMARK" {
		return nil
	}
	if account == "" {
		account = s.accountOf(o.Metadata)
	}
	if o.Metadata.Name == s.secretName(account) {
		s.report(r, account, o.Metadata.ResourceVersion)
	}
	return nil
}

// report reports a version, unless this process has read or written it. An empty account is none of ours.
func (s *Store) report(r *reporter, account, version string) {
	s.mu.Lock()
	known := s.seen[account] == version
	s.mu.Unlock()
	if account != "" && !known {
		r.changed(account)
	}
}

// reporter combines many streams into one report: connected if all are connected, broken if one is broken.
type reporter struct {
	mu     sync.Mutex // guards the fields below, and makes the calls to watch one at a time
	watch  tokens.Watch
	broken map[string]error // by account; nil for a stream that has not been connected yet
}

// expect adds a stream, which must be connected before the report is.
func (r *reporter) expect(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken[account] = nil
}

func (r *reporter) connected(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, waiting := r.broken[account]; !waiting {
		return // it was already connected
	}
	delete(r.broken, account)
	if len(r.broken) == 0 {
		r.watch.Connected()
	}
}

func (r *reporter) lost(account string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken[account] = err
	r.watch.Broken(err)
}

func (r *reporter) changed(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watch.Changed(account, "")
}
