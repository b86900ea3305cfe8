// Package kubestore keeps the records of accounts in Kubernetes Secrets, for any number of pods:
//
//	store, err := kubestore.Open(kubestore.Options{Namespace: "tools", Prefix: "pandadoc-auth-proxy"})
//	rec, err := store.Load(ctx, "default")
//
// # Secrets
//
// Account ACCOUNT has the Secret PREFIX-ACCOUNT, with the labels pandadoc-auth-proxy/store and
// pandadoc-auth-proxy/account. The record (tokens.Codec) is under the key "record" in its data. Other keys,
// labels and annotations are not changed. An operator can create a Secret without that key; it means that
// nobody has signed in.
//
// A save reads the Secret, compares the version inside the record, and writes the Secret with the
// resourceVersion that it has read, never without one. The record has a version of its own besides the
// resourceVersion, so that a changed label is no conflict, and a save whose answer was lost is recognised.
//
// # Rights
//
// If the Secrets exist already, get, update and watch on these names are enough. With create, the store creates
// Secrets when necessary. With list, accounts are known from the start and one watch follows all of them;
// without list, each Secret in use is watched by its name.
//
// # Consistency
//
// Everything that the API server has acknowledged is in etcd, and is not lost.
package kubestore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

const (
	dataKey      = "record"
	storeLabel   = "pandadoc-auth-proxy/store"
	accountLabel = "pandadoc-auth-proxy/account"
	opaque       = "Opaque"

	retries    = 5                     // of a save, if the resourceVersion has changed but the record has not
	retryPause = 20 * time.Millisecond // before the first of them; it doubles
)

// Options configure a store.
type Options struct {
	// Namespace of the Secrets. Empty means that of the pod.
	Namespace string
	// Prefix is the beginning of the names of the Secrets. Empty means pandadoc-auth-proxy.
	Prefix string
	// URL of the API server. Nil means that of the cluster that this pod runs in.
	URL *url.URL
	// Token authenticates to URL. Nil means the pod's service account, or nothing if URL is set.
	Token func() (tokens.Secret, error)
	// RootCAs are trusted for URL. Nil means those of the system. In a pod, the root of the cluster is used instead.
	RootCAs *x509.CertPool
	// Getenv returns environment variables, as os.Getenv does. They name the API server of the cluster.
	Getenv func(string) string
	// AccountDir is where Kubernetes mounts the service account. Empty means its usual place.
	AccountDir string
	// Codec encrypts the tokens. Nil means that they are not encrypted.
	Codec *tokens.Codec
}

// Store is a tokens.Store in Secrets. All its methods may be called concurrently.
type Store struct {
	api    *api
	prefix string
	codec  *tokens.Codec

	unproven tokens.Unproven

	mu     sync.Mutex        // guards the fields below
	seen   map[string]string // resourceVersion that was read or written last, by account
	single map[string]bool   // accounts that are watched by name
	follow chan struct{}     // receives a value when single has grown; its capacity is one
	noList bool              // there is no right to list
}

var (
	_ tokens.Store   = (*Store)(nil)
	_ tokens.Lister  = (*Store)(nil)
	_ tokens.Watcher = (*Store)(nil)
	_ tokens.Checker = (*Store)(nil)
)

// Open returns the store that o names. It does not connect.
func Open(o Options) (*Store, error) {
	a, err := newAPI(o)
	if err != nil {
		return nil, err
	}
	return &Store{
		api: a, prefix: cmp.Or(o.Prefix, problem.Program), codec: o.Codec,
		seen: map[string]string{}, single: map[string]bool{}, follow: make(chan struct{}, 1),
	}, nil
}

// Name describes the store to users.
func (s *Store) Name() string { return "kubernetes:" + s.api.namespace + "/" + s.prefix }

func (s *Store) secretName(account string) string { return s.prefix + "-" + account }

// secret is a Secret from the API server.
type secret struct {
	Type      string            `json:"type"`
	Immutable bool              `json:"immutable"`
	Metadata  metadata          `json:"metadata"`
	Data      map[string][]byte `json:"data"`
	fields    map[string]any    // all of them, also those that we do not know
}

func (s *secret) UnmarshalJSON(text []byte) error {
	type known secret // without this method
	all := json.NewDecoder(bytes.NewReader(text))
	all.UseNumber()
	err := errors.Join(json.Unmarshal(text, (*known)(s)), all.Decode(&s.fields))
	if m, _ := s.fields["metadata"].(map[string]any); m["name"] == nil {
		err = errors.Join(err, errors.New("not a Secret"))
	}
	return err
}

// with returns the Secret with record in it, as it is sent. Nothing else in it changes.
func (s *secret) with(record []byte, labels map[string]string) ([]byte, error) {
	data, all := map[string][]byte{}, map[string]string{}
	maps.Copy(data, s.Data)
	data[dataKey] = record
	maps.Copy(all, s.Metadata.Labels)
	maps.Copy(all, labels)
	s.fields["metadata"].(map[string]any)["labels"] = all // every Secret has metadata
	s.fields["data"] = data
	return json.Marshal(s.fields)
}

func (s *Store) labels(account string) map[string]string {
	return map[string]string{storeLabel: s.prefix, accountLabel: account}
}

// Load implements tokens.Store.
func (s *Store) Load(ctx context.Context, account string) (tokens.Record, error) {
	if err := errors.Join(tokens.CheckAccount(account), ctx.Err()); err != nil {
		return tokens.Record{}, err
	}
	_, rec, err := s.read(ctx, account)
	return rec, err
}

// read returns the Secret of account and the record in it. If there is no Secret, it returns nil and
// tokens.ErrNotFound. For a Secret without a record, the error is also tokens.ErrNotFound.
func (s *Store) read(ctx context.Context, account string) (*secret, tokens.Record, error) {
	found, err := s.get(ctx, account)
	if err != nil {
		return nil, tokens.Record{}, err
	}
	if err := s.owned(account, found); err != nil {
		return nil, tokens.Record{}, err
	}
	s.note(account, found.Metadata.ResourceVersion, found.Metadata.Labels[storeLabel] != "")
	data := found.Data[dataKey]
	if len(data) == 0 {
		return found, tokens.Record{}, tokens.ErrNotFound
	}
	rec, err := s.codec.DecodeStored(account, data,
		"update this program, or give this program a prefix of its own: --store kubernetes:"+s.api.namespace+"/PREFIX; the Secret is left as it is",
		fmt.Sprintf("restore the Secret from a backup, or remove its key %q and sign in again; it is left as it is", dataKey))
	if err != nil {
		return nil, tokens.Record{}, fmt.Errorf("token store: read Secret %s in namespace %s: %w", s.secretName(account), s.api.namespace, err)
	}
	return found, rec, nil
}

func (s *Store) get(ctx context.Context, account string) (*secret, error) {
	var err error
	for range 2 { // it is safe to repeat a read
		var found secret
		if err = s.api.call(ctx, http.MethodGet, s.secretName(account), nil, nil, &found); err == nil {
			return &found, nil
		}
		if answered(err) || ctx.Err() != nil {
			break
		}
	}
	if status(err) == http.StatusNotFound {
		s.note(account, "", true)
		return nil, tokens.ErrNotFound
	}
	return nil, s.fail("get", s.secretName(account), err)
}

// owned returns an error if the Secret is not for this store.
func (s *Store) owned(account string, found *secret) error {
	labels := found.Metadata.Labels
	store, labelled := labels[storeLabel]
	var reason string
	switch {
	case found.Type != opaque && found.Type != "":
		reason = fmt.Sprintf("it is of type %s and belongs to something else", found.Type)
	case labelled && (store != s.prefix || labels[accountLabel] != account):
		reason = fmt.Sprintf("it belongs to account %q of the store %q", labels[accountLabel], store)
	case found.Immutable:
		reason = "it is immutable"
	default:
		return nil
	}
	return problem.WithHint(
		fmt.Errorf("token store: use Secret %s in namespace %s: %s", s.secretName(account), s.api.namespace, reason),
		"choose another prefix: --store kubernetes:"+s.api.namespace+"/PREFIX; the Secret is left as it is")
}

// maxSeen limits seen, because clients can ask for any number of accounts that do not exist.
const maxSeen = 20_000

// note remembers a version that the watch need not report. If the watch of labelled Secrets will not report the
// account, note makes it watched by name.
func (s *Store) note(account, version string, labelled bool) {
	s.mu.Lock()
	if _, known := s.seen[account]; known || len(s.seen) < maxSeen {
		s.seen[account] = version
	}
	alone := !labelled || s.noList
	s.mu.Unlock()
	if alone {
		s.watchAlone(account)
	}
}

// Save implements tokens.Store. If the connection is lost, it tries again until ctx ends, and recognises its own write
// if the first try was done.
func (s *Store) Save(ctx context.Context, account string, rec tokens.Record) (tokens.Record, error) {
	return s.unproven.Save(ctx, s.codec, account, rec, func(version string, data []byte, replaces []string) (lost bool, err error) {
		for tries, again := 0, true; again; tries++ {
			again, err = s.swap(ctx, account, replaces, version, data)
			lost = lost || err != nil && !errors.Is(err, tokens.ErrConflict) && !answered(err)
			again = again && tries < retries && tokens.Sleep(ctx.Done(), retryPause<<tries)
		}
		return lost, err
	})
}

// swap tries once to replace the record that has one of the versions. again means that the reason of a failure may
// disappear soon.
func (s *Store) swap(ctx context.Context, account string, replaces []string, version string, data []byte) (again bool, err error) {
	found, rec, err := s.read(ctx, account)
	switch {
	case err != nil && !errors.Is(err, tokens.ErrNotFound):
		return passing(err), err
	case rec.Version == version:
		return false, nil // an earlier try was done; only its answer was lost
	case !slices.Contains(replaces, rec.Version):
		return false, tokens.ErrConflict
	}
	now, op, err := s.write(ctx, account, found, data, nil)
	switch {
	case err == nil:
		s.note(account, now, true)
		return false, nil
	case status(err) == http.StatusConflict:
		return true, tokens.ErrConflict // perhaps only a label has changed: read it again
	}
	return passing(err), s.fail(op, s.secretName(account), err)
}

// write creates the Secret of account with record in it, or writes record into found. It returns the new
// resourceVersion, and the verb for errors.
func (s *Store) write(ctx context.Context, account string, found *secret, record []byte, query url.Values) (version, verb string, err error) {
	method, name, verb := http.MethodPut, s.secretName(account), "update"
	var body []byte
	if found != nil {
		body, err = found.with(record, s.labels(account))
	} else {
		method, name, verb = http.MethodPost, "", "create"
		body, err = json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Secret", "type": opaque,
			"metadata": map[string]any{"name": s.secretName(account), "namespace": s.api.namespace, "labels": s.labels(account)},
			"data":     map[string][]byte{dataKey: record},
		})
	}
	if err != nil {
		return "", verb, err
	}
	var answer secret
	err = s.api.call(ctx, method, name, query, body, &answer)
	return answer.Metadata.ResourceVersion, verb, err
}

// Accounts implements tokens.Lister. Without the right to list, it returns no accounts.
func (s *Store) Accounts(ctx context.Context) ([]string, error) {
	items, _, err := s.list(ctx)
	if status(err) == http.StatusForbidden {
		return nil, nil
	}
	if err != nil {
		return nil, s.fail("list", "Secrets", err)
	}
	var names []string
	for _, item := range items {
		if name := s.accountOf(item); name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// accountOf returns the account of a Secret in a list, or "" if its label and its name differ.
func (s *Store) accountOf(m metadata) string {
	account := m.Labels[accountLabel]
	if tokens.ValidAccount(account) && m.Name == s.secretName(account) {
		return account
	}
	return ""
}

// Check proves that the Secret of account can be read and written, and names rights that are missing. It changes
// nothing: the server is asked for a dry run.
func (s *Store) Check(ctx context.Context, account string) error {
	if account == "" {
		account = s.example()
	}
	found, _, err := s.read(ctx, account)
	if err != nil && !errors.Is(err, tokens.ErrNotFound) {
		return err
	}
	var record []byte
	if found != nil {
		record = found.Data[dataKey]
	}
	_, op, err := s.write(ctx, account, found, record, url.Values{"dryRun": {"All"}})
	if err == nil || status(err) == http.StatusConflict { // another process is writing, with the same rights
		return nil
	}
	return s.fail(op, s.secretName(account), err)
}

// example returns an account whose Secret exists, or the default account. The rights may be only for certain names.
func (s *Store) example() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	example := tokens.DefaultAccount
	for account, version := range s.seen {
		if version != "" && s.seen[example] == "" {
			example = account
		}
	}
	return example
}
