package tokens

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	lease        = 30 * time.Second       // of a marker in a store that has no refresh lock
	quietTime    = 30 * time.Second       // after this a request that nobody listens to is taken to be over
	restoreTime  = 45 * time.Second       // in which every process that holds a newer record puts it back
	patience     = 120                    // seconds of our own running time that a sent token call is listened to
	grace        = time.Minute            // how long past its expiry a token is used when nothing better is to be had
	startTime    = 200 * time.Millisecond // that the start waits for the store
	storeTimeout = 10 * time.Second       // of one Load or Save
)

// Manager keeps the tokens of many accounts fresh. All its methods may be called concurrently.
type Manager struct {
	config    Config
	issuer    Issuer // that the configuration names
	owner     string // names this process in markers; new at every start
	endpoint  tokenEndpoint
	emergency emergencyFiles
	slots     *slots

	// What the store can do besides. Nil if it cannot.
	locker  Locker
	lister  Lister
	checker Checker
	watch   *watching

	// report tells the observer what happened to an account; of EventState, only if the state has changed.
	report func(*account, Event)

	accounts sync.Map // name → *account; read without a shared lock on every request

	mu     sync.Mutex                   // guards the fields below; taken before an account's
	lru    *lru.Cache[string, *account] // decides who leaves accounts
	parked map[string]parked            // accounts that exist and are not in memory
	made   uint64                       // accounts so far

	life     sync.Mutex     // guards the fields below; taken after an account's
	closed   bool           // nothing new starts
	work     sync.WaitGroup // flights and savers; nothing is added once closed
	storeErr error          // why the store cannot be written to, as far as was tried

	ctx    context.Context // ends when flights must stop
	cancel context.CancelFunc

	watchers sync.WaitGroup // the goroutine that follows the store

	closing chan struct{} // closed when closed is set
	poke    chan struct{} // wakes the background goroutine
}

// parked is what is kept of an account that is not in memory.
type parked struct {
	status Status
	cool   coolDown
	gone   bool      // the store has it no more, or it was forgotten
	readAt time.Time // when the store was last asked about it; zero means never
}

// tokenEndpoint is what the life cycle needs of RFC 6749. The error is an *EndpointError for a complete answer
// that is no pair, else a *callError.
type tokenEndpoint interface {
	refresh(ctx context.Context, refreshToken Secret) (Pair, error)
	exchange(ctx context.Context, code, redirectURL string) (Pair, error)
}

// emergencyFiles keeps pairs that the store did not take.
type emergencyFiles interface {
	// write keeps rec in a new file and returns its path.
	write(account string, rec Record) (path string, err error)
	// guard writes rec as well, unless release is called soon: a store that hangs does not fail. release waits for
	// a write that has begun.
	guard(account string, rec Record) (release func())
	// newest returns the newest record of account, by the order of records.
	newest(account string) (Record, bool)
	// discard removes the files of account that are not newer than rec.
	discard(account string, rec Record)
}

// New returns a Manager that has not touched the store yet.
func New(c Config) (*Manager, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	// The size is unlimited here because the cache cannot veto an eviction; see evictLocked.
	cache, err := lru.New[string, *account](math.MaxInt)
	if err != nil {
		return nil, err
	}
	m := &Manager{
		config: c, issuer: NewIssuer(c.API, c.Endpoint.URL, c.Endpoint.ClientID), owner: newOwner(),
		endpoint:  newCaller(c.Endpoint, c.clientSecret),
		emergency: &emergencyDirs{dirs: c.EmergencyDirs, store: c.StoreName, codec: c.Codec},
		slots:     &slots{free: maxCalls}, report: (*account).report, lru: cache, parked: map[string]parked{},
		watch:   newWatching(c.Store),
		closing: make(chan struct{}), poke: make(chan struct{}, 1),
	}
	m.locker, _ = c.Store.(Locker)
	m.lister, _ = c.Store.(Lister)
	m.checker, _ = c.Store.(Checker)
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

// Start reads the accounts of the configuration and of the store in the background, and keeps them fresh from
// now on. It gives a store that answers at once the time to do so, and does not wait for a slow one. Start must be
// called at most once.
func (m *Manager) Start(ctx context.Context) error {
	m.account(DefaultAccount)
	for name := range m.config.Accounts {
		m.know(name)
	}
	m.begin(m.runBackground)
	if m.watch.watcher != nil {
		m.watchers.Go(m.runWatch)
	}
	read := make(chan struct{})
	m.begin(func() { m.survey(read) })
	select {
	case <-read:
	case <-ctx.Done():
	case <-time.After(startTime):
	}
	return ctx.Err()
}

// Token returns the current token of the account. While a usable one is known it neither blocks nor touches
// the network or the store. Otherwise it waits for a refresh, at most Config.RefreshTimeout.
//
// ErrUnknownAccount, ErrLoginRequired, ErrClientNotConfigured, ErrClientRefused, ErrRefreshUnavailable and
// ErrStoreUnavailable are why there is none; an *UnavailableError tells when to ask again.
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

// Refresh obtains a new pair now, whatever the age of the current one. It returns when ctx or the refresh
// time-out ends; the exchange goes on, and Close waits for it.
func (m *Manager) Refresh(ctx context.Context, name string) (Status, error) {
	if !ValidAccount(name) {
		return Status{}, ErrUnknownAccount
	}
	a := m.account(name)
	if a.keyed {
		return a.status(time.Now()), ErrAPIKey
	}
	err := a.force(ctx)
	return a.status(time.Now()), err
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

// account returns the account of that name, and makes it if there is none. The name is valid.
func (m *Manager) account(name string) *account {
	if v, ok := m.accounts.Load(name); ok {
		return v.(*account)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.accounts.Load(name); ok {
		return v.(*account)
	}
	a := m.makeLocked(name)
	if p, ok := m.parked[name]; ok {
		a.resume(p)
		delete(m.parked, name)
	}
	m.accounts.Store(name, a)
	m.lru.Add(name, a)
	m.evictLocked()
	return a
}

func (m *Manager) makeLocked(name string) *account {
	m.made++
	return newAccount(m, name, fmt.Sprintf("%s-%d", m.owner, m.made))
}

// know notes that an account exists. It is in memory if there is room for it.
func (m *Manager) know(name string) {
	m.mu.Lock()
	_, known := m.parked[name]
	if v, ok := m.accounts.Load(name); ok {
		v.(*account).nowListed()
		known = true
	}
	if !known {
		m.parked[name] = parked{status: Status{Account: name, State: Unknown}}
	}
	full := m.lru.Len() >= m.config.MaxAccounts
	m.mu.Unlock()
	if !known && !full {
		m.account(name)
	}
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

// evictLocked lets the accounts go that were not used for longest. One with a flight or an unsaved rotation
// stays: it may be the only holder of a token.
func (m *Manager) evictLocked() {
	for tries := m.lru.Len(); m.lru.Len() > m.config.MaxAccounts && tries > 0; tries-- {
		name, a, _ := m.lru.GetOldest()
		p, ok := a.park()
		if !ok {
			m.lru.Get(name) // moves it to the young end
			continue
		}
		m.lru.Remove(name)
		m.accounts.Delete(name)
		if !p.gone {
			m.parked[name] = p
		}
	}
}

// park returns what is kept of the account when it leaves memory; ok is false if it must stay, because it
// may be the only holder of a token.
func (a *account) park() (p parked, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flight != nil || a.logins > 0 || a.unsaved != nil {
		return parked{}, false
	}
	return parked{status: a.told, cool: a.cool, gone: !a.existsLocked(), readAt: a.lookedAt}, true
}

// resume takes up what was kept. Nobody else knows the account yet.
func (a *account) resume(p parked) { a.told, a.cool, a.listed = p.status, p.cool, true }

// exists reports whether the account is configured, stored or used.
func (a *account) exists() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.existsLocked()
}

func (a *account) existsLocked() bool {
	_, configured := a.m.config.Accounts[a.name]
	stored := a.rec.Generation > 0 && !a.rec.Forgotten
	unread := a.rec.Generation == 0 && a.listed && !errors.Is(a.lookErr, ErrNotFound)
	return configured || stored || unread || a.asked && a.name == DefaultAccount
}

// nowListed notes that the account is configured, or that the store has a record of it.
func (a *account) nowListed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.listed = true
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

// wake lets the background goroutine look at the schedules anew.
func (m *Manager) wake() {
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

// load reads the record of an account in bounded time.
func (m *Manager) load(account string) (Record, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), storeTimeout)
	defer cancel()
	rec, err := m.config.Store.Load(ctx, account)
	m.countStoreError("load", err)
	return rec, err
}

// countStoreError reports what a store may not answer: that there is no record, and that it was changed by
// another, are ordinary answers.
func (m *Manager) countStoreError(op string, err error) {
	if err != nil && m.config.StoreFailed != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrConflict) {
		m.config.StoreFailed(op)
	}
}

// save writes the record of an account in bounded time.
func (m *Manager) save(account string, rec Record) (Record, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), storeTimeout)
	defer cancel()
	saved, err := m.config.Store.Save(ctx, account, rec)
	m.countStoreError("save", err)
	if err == nil {
		m.checked(nil) // sooner than the next check
	}
	return saved, err
}

// checked notes whether the store takes records, and shows a change in the state of every account.
func (m *Manager) checked(err error) {
	m.life.Lock()
	changed := (err == nil) != (m.storeErr == nil)
	m.storeErr = err
	m.life.Unlock()
	if changed {
		m.accounts.Range(func(_, v any) bool {
			m.report(v.(*account), Event{Kind: EventState})
			return true
		})
	}
}

// sleep waits for d; false means that end was closed first.
func sleep(end <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-end:
		return false
	}
}

// Close stops the background refresh and waits for token calls under way and for unsaved pairs, until
// ctx ends. Then calls are cut off; a pair that is still unsaved is in its emergency file. Close may be
// called more than once.
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
		a := v.(*account)
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case a.unsaved == nil:
		case a.unsaved.path == "":
			errs = append(errs, fmt.Errorf("the newest tokens of %q could not be saved anywhere: %w", a.name, a.unsaved.err))
		default:
			errs = append(errs, fmt.Errorf("the newest tokens of %q are in %s, because the store did not take them; they are read from there at the next start: %w", a.name, a.unsaved.path, a.unsaved.err))
		}
		return true
	})
	return errors.Join(errs...)
}
