package kubetest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// matches reports whether a list or a watch with this query contains secret.
func matches(r *http.Request, secret Secret) bool {
	m := secret.metadata()
	if name, ok := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name="); ok && m["name"] != name {
		return false
	}
	if label, value, ok := strings.Cut(r.URL.Query().Get("labelSelector"), "="); ok {
		labels, _ := m["labels"].(map[string]any)
		return labels[label] == value
	}
	return true
}

// shown returns secret as a list or a watch contains it: without its data, if only metadata is requested.
func shown(r *http.Request, secret Secret) Secret {
	if strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata") {
		return Secret{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": secret["metadata"]}
	}
	return secret
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit <= 0 {
		limit = 1 << 30
	}
	after := r.URL.Query().Get("continue")
	names := s.Names()
	s.mu.Lock()
	defer s.mu.Unlock()
	items, more := []Secret{}, ""
	for _, name := range names {
		secret := s.secrets[name]
		if secret == nil || name <= after || !matches(r, secret) {
			continue
		}
		if len(items) == limit {
			more = items[limit-1].metadata()["name"].(string)
			break
		}
		items = append(items, shown(r, secret))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "SecretList", "apiVersion": "v1", "items": items,
		"metadata": map[string]string{"resourceVersion": strconv.Itoa(s.version), "continue": more},
	})
}

// follow serves a watch.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if from == 0 && r.URL.Query().Get("allowWatchBookmarks") != "" || err != nil { // like an older etcd
		answer(w, http.StatusInternalServerError, "the required storage feature RequestWatchProgress is disabled")
		return
	}
	cut := make(chan struct{})
	var first []event
	s.mu.Lock()
	s.watches[cut] = true
	if from == 0 { // first the current state
		from = s.version
		for name, secret := range s.secrets {
			version, _ := strconv.Atoi(secret.metadata()["resourceVersion"].(string))
			first = append(first, event{"ADDED", name, version, secret})
		}
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watches, cut)
		s.mu.Unlock()
	}()
	seconds, err := strconv.Atoi(r.URL.Query().Get("timeoutSeconds"))
	if err != nil {
		seconds = 1800
	}
	end := time.After(time.Duration(seconds) * time.Second)
	bookmark := time.NewTicker(time.Second)
	defer bookmark.Stop()
	out := json.NewEncoder(w)
	send := func(kind string, object any) {
		_ = out.Encode(map[string]any{"type": kind, "object": object})
		_ = http.NewResponseController(w).Flush()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).Flush()
	events := first
	for {
		s.wait(r)
		for _, e := range events {
			if matches(r, e.object) {
				send(e.kind, shown(r, e.object))
			}
			from = max(from, e.version)
		}
		s.mu.Lock()
		gone := from < s.oldest
		events = events[:0:0]
		for _, e := range s.history {
			if e.version > from {
				events = append(events, e)
			}
		}
		changed := s.changed
		s.mu.Unlock()
		if gone {
			send("ERROR", map[string]any{"kind": "Status", "status": "Failure", "code": http.StatusGone, "reason": "Expired", "message": "too old resource version"})
			return
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-bookmark.C:
			send("BOOKMARK", Secret{"kind": "Secret", "apiVersion": "v1", "metadata": map[string]any{"resourceVersion": strconv.Itoa(from)}})
		case <-cut:
			panic(http.ErrAbortHandler)
		case <-end:
			return
		case <-r.Context().Done():
			return
		}
	}
}
