package tokens

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	lease        = 30 * time.Second // of a marker in a store that has no refresh lock
	quietTime    = 30 * time.Second // after this a request that nobody listens to is taken to be over
	patience     = 120              // seconds of our own running time that a sent token call is listened to
	grace        = time.Minute      // how long past its expiry a token is used when nothing better is to be had
	storeTimeout = 10 * time.Second // of one Load or Save
)

// Manager keeps the tokens of many accounts fresh. All its methods may be called concurrently.
type Manager struct {
	config Config
	caller *caller
	owner  string // names this process in markers; new at every start

	accounts sync.Map // account → *account; read without a shared lock on every request

	mu   sync.Mutex                   // guards the fields below; taken before a account's
	lru  *lru.Cache[string, *account] // decides who leaves accounts
	made uint64                       // accounts so far

	life   sync.Mutex     // guards the field below; taken after a account's
	closed bool           // nothing new starts
	work   sync.WaitGroup // flights and savers; nothing is added once closed

	ctx    context.Context // ends when flights must stop
	cancel context.CancelFunc

	watch    *watching
	watchers sync.WaitGroup // the goroutine that follows the store

	closing chan struct{} // closed when closed is set
	poke    chan struct{} // wakes the background goroutine
}

// New returns a Manager that has not touched the store yet.
func New(c Config) (*Manager, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	// The size is unlimited here because the cache cannot veto an eviction; see evict.
	cache, err := lru.New[string, *account](math.MaxInt)
	if err != nil {
		return nil, err
	}
	m := &Manager{
		config: c, caller: newCaller(c.Endpoint), owner: newOwner(), lru: cache, watch: newWatching(c.Store),
		closing: make(chan struct{}), poke: make(chan struct{}, 1),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m, nil
}

// newOwner is readable for the person who looks into a record, and unique for everybody else.
func newOwner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:8])
}

// Start loads the configured accounts and starts the goroutine that refreshes before expiry. An account
// that cannot be loaded is no error: its status tells. Start must be called at most once.
func (m *Manager) Start(ctx context.Context) error {
	names := []string{DefaultAccount}
	for name := range m.config.Accounts {
		if name != DefaultAccount {
			names = append(names, name)
		}
	}
	for _, name := range names {
		m.account(name).load(ctx)
	}
	m.begin(m.runBackground)
	if m.watch.watcher != nil {
		m.watchers.Go(m.runWatch)
	}
	return ctx.Err()
}

// Token returns the current token of the account. While a usable one is known it neither blocks nor touches
// the network or the store. Otherwise it waits for a refresh, at most Config.RefreshTimeout.
//
// ErrUnknownAccount, ErrLoginRequired, ErrClientRefused, ErrRefreshUnavailable and ErrStoreUnavailable
// say why there is none; an *UnavailableError says when to ask again.
func (m *Manager) Token(ctx context.Context, name string) (Token, error) {
	now := time.Now()
	if v, ok := m.accounts.Load(name); ok {
		a := v.(*account)
		if t, ok := a.usable(now); ok {
			m.touch(a, now)
			return t, nil
		}
	}
	if !ValidAccount(name) {
		return Token{}, fmt.Errorf("%w: %w", ErrUnknownAccount, CheckAccount(name))
	}
	return m.account(name).token(ctx)
}

// Refresh obtains a new pair now, whatever the age of the current one.
func (m *Manager) Refresh(ctx context.Context, name string) (Status, error) {
	if !ValidAccount(name) {
		return Status{}, ErrUnknownAccount
	}
	a := m.account(name)
	if !a.config.APIKey.IsZero() {
		return a.status(time.Now()), ErrAPIKey
	}
	err := a.force(ctx)
	return a.status(time.Now()), err
}

// Status returns how the accounts in memory stand, by name, without touching the store.
func (m *Manager) Status() []Status {
	var all []Status
	now := time.Now()
	m.accounts.Range(func(_, v any) bool {
		if a := v.(*account); a.exists() {
			all = append(all, a.status(now))
		}
		return true
	})
	slices.SortFunc(all, func(x, y Status) int { return cmp.Compare(x.Account, y.Account) })
	return all
}

// AccountStatus returns how one account stands and loads it if need be.
func (m *Manager) AccountStatus(ctx context.Context, name string) (Status, error) {
	if !ValidAccount(name) {
		return Status{}, ErrUnknownAccount
	}
	a := m.account(name)
	a.load(ctx)
	if !a.exists() {
		return Status{}, ErrUnknownAccount
	}
	return a.status(time.Now()), nil
}

// account returns the account of that name, and makes it if there is none. account is valid.
func (m *Manager) account(name string) *account {
	if v, ok := m.accounts.Load(name); ok {
		return v.(*account)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.accounts.Load(name); ok {
		return v.(*account)
	}
	m.made++
	a := newAccount(m, name, fmt.Sprintf("%s-%d", m.owner, m.made))
	m.accounts.Store(name, a)
	m.lru.Add(name, a)
	m.evict()
	return a
}

// begin runs f in a goroutine that Close waits for. It returns false if the Manager is closed.
func (m *Manager) begin(f func()) bool {
	m.life.Lock()
	defer m.life.Unlock()
	if m.closed {
		return false
	}
	m.work.Go(f)
	return true
}

// evict lets the accounts go that were not used for longest. One with a flight or an unsaved rotation
// stays: it may be the only holder of a token. mu is held.
func (m *Manager) evict() {
	for tries := m.lru.Len(); m.lru.Len() > m.config.MaxAccounts && tries > 0; tries-- {
		name, a, _ := m.lru.GetOldest()
		if a.pinned() {
			m.lru.Get(name) // moves it to the young end
			continue
		}
		m.lru.Remove(name)
		m.accounts.Delete(name)
	}
}

// touch tells the cache that a was used, at most once a second.
func (m *Manager) touch(a *account, now time.Time) {
	second := now.Unix()
	if last := a.touched.Load(); last == second || !a.touched.CompareAndSwap(last, second) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lru.Get(a.name)
}

func (m *Manager) observe(e Event) {
	if m.config.Observe != nil {
		m.config.Observe(e)
	}
}

// load reads the record of an account in bounded time.
func (m *Manager) load(account string) (Record, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), storeTimeout)
	defer cancel()
	return m.config.Store.Load(ctx, account)
}

// save writes the record of an account in bounded time.
func (m *Manager) save(account string, rec Record) (Record, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), storeTimeout)
	defer cancel()
	return m.config.Store.Save(ctx, account, rec)
}

// Close stops the background refresh and waits for token calls under way and for unsaved pairs, until
// ctx ends. Then calls are cut off, and pairs that are still unsaved go to the emergency file. It
// may be called more than once.
func (m *Manager) Close(ctx context.Context) error {
	m.life.Lock()
	if !m.closed {
		m.closed = true
		close(m.closing)
	}
	m.life.Unlock()
	idle := make(chan struct{})
	go func() {
		m.work.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	m.cancel()
	<-idle
	m.watchers.Wait()
	return m.unsavedError()
}

// unsavedError names the accounts whose newest pair did not reach the store.
func (m *Manager) unsavedError() error {
	var errs []error
	m.accounts.Range(func(_, v any) bool {
		if a := v.(*account); a.isUnsaved() {
			errs = append(errs, fmt.Errorf("the newest tokens of %q could not be saved to the store", a.name))
		}
		return true
	})
	return errors.Join(errs...)
}
