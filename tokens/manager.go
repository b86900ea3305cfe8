package tokens

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	lease         = 30 * time.Second       // of a marker in a store that has no refresh lock
	quietTime     = 30 * time.Second       // after this time, a request whose sender has gone counts as over
	restoreTime   = 45 * time.Second       // in which every process that holds a newer record puts it back
	listenSeconds = 120                    // how long the answer to a sent token call is awaited, in seconds of running time
	grace         = time.Minute            // how long after its expiry a token is used if there is no other
	startTime     = 200 * time.Millisecond // that the start waits for the store
	storeTimeout  = 10 * time.Second       // of one Load or Save
)

// Manager keeps the tokens of many accounts fresh. All its methods may be called concurrently.
type Manager struct {
	config    Config
	issuer    Issuer // of the configuration
	process   string // host and process id, for markers
	endpoint  tokenEndpoint
	emergency emergencyFiles
	slots     chan struct{} // has a value for each running token call

	// The optional abilities of the store. Nil if it does not have them.
	locker  Locker
	lister  Lister
	checker Checker
	watch   *watching

	// report calls the observer with an event of an account; with EventState only if the state has changed.
	report func(*account, Event)

	accounts sync.Map // name → *account; read without a shared lock on every request

	mu     sync.Mutex                   // guards the fields below; taken before an account's
	lru    *lru.Cache[string, *account] // decides which accounts are evicted
	parked map[string]parked            // accounts that exist but are not in memory

	life     sync.Mutex     // guards the fields below; taken after an account's
	closed   bool           // nothing new starts
	work     sync.WaitGroup // flights and savers; nothing is added once closed
	storeErr error          // why the last attempt to write to the store failed

	ctx    context.Context // ends when flights must stop
	cancel context.CancelFunc

	watchers sync.WaitGroup // the goroutine that follows the store

	closing chan struct{} // closed when closed is set
	enough  chan struct{} // closed SaveTimeout after that
	poke    chan struct{} // wakes the background goroutine
}

// parked is the part of an account that is kept when it is evicted from memory.
type parked struct {
	status Status
	cool   coolDown
	gone   bool      // the store has it no more, or it was forgotten
	readAt time.Time // when the store was last asked about it; zero means never
}

// tokenEndpoint is the part of RFC 6749 that the life cycle needs. The error is an *EndpointError for a
// complete answer without a pair, else a *callError.
type tokenEndpoint interface {
	refresh(ctx context.Context, refreshToken Secret) (Pair, error)
	exchange(ctx context.Context, code, redirectURL string) (Pair, error)
}

// emergencyFiles keeps pairs that the store could not save.
type emergencyFiles interface {
	// write keeps rec in a new file and returns its path.
	write(account string, rec Record) (path string, err error)
	// guard writes rec too, unless release is called soon, because a store that hangs does not fail. release waits
	// for a write that has begun.
	guard(account string, rec Record) (release func())
	// newest returns the newest record of account.
	newest(account string) (Record, bool)
	// discard removes the files of account that are not newer than rec.
	discard(account string, rec Record)
}

// New returns a Manager. It does not use the store yet.
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
		config: c, issuer: NewIssuer(c.API, c.Endpoint.URL, c.Endpoint.ClientID), process: processName(),
		endpoint:  &caller{c.Endpoint, c.clientSecret},
		emergency: &emergencyDirs{dirs: c.EmergencyDirs, store: c.StoreName, codec: c.Codec},
		slots:     make(chan struct{}, maxCalls), report: (*account).report, lru: cache, parked: map[string]parked{},
		watch:   newWatching(c.Store),
		closing: make(chan struct{}), enough: make(chan struct{}), poke: make(chan struct{}, 1),
	}
	m.locker, _ = c.Store.(Locker)
	m.lister, _ = c.Store.(Lister)
	m.checker, _ = c.Store.(Checker)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m, nil
}

// processName returns a name by which a person can recognise this process in a record.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

// Start reads the accounts of the configuration and of the store in the background, and keeps them fresh from
// then on. It waits a moment for a fast store, but not for a slow one. Start must be called at most once.
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

// Token returns the current token of the account. While a usable one is known, it neither blocks nor uses the
// network or the store. Otherwise it waits for a refresh, at most Config.RefreshTimeout.
//
// ErrUnknownAccount, ErrLoginRequired, ErrClientNotConfigured, ErrClientRefused, ErrRefreshUnavailable and
// ErrStoreUnavailable are the reasons why there is none; an *UnavailableError has the time to ask again.
func (m *Manager) Token(ctx context.Context, name string) (Token, error) {
	now := time.Now()
	if a := m.loaded(name); a != nil {
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

// Refresh obtains a new pair now, however old the current one is. It returns when ctx or the refresh time-out
// ends. The exchange then continues, and Close waits for it.
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

// LoadAll loads every account of the configuration and of the store, in a Manager that is not started. It returns an
// error if the store cannot list them. Why a single one cannot be read is in its status.
func (m *Manager) LoadAll(ctx context.Context) error {
	names, err := m.stored(ctx)
	if err != nil {
		return err
	}
	names = slices.AppendSeq(names, maps.Keys(m.config.Accounts))
	for _, name := range names {
		m.know(name)
	}
	for _, name := range append(names, DefaultAccount) {
		m.account(name).load(ctx)
	}
	return nil
}

// stored returns the names of the accounts in the store, if it can list them.
func (m *Manager) stored(ctx context.Context) ([]string, error) {
	if m.lister == nil {
		return nil, nil
	}
	return m.lister.Accounts(ctx)
}

// AccountStatus returns the status of one account. It loads the account if necessary.
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

// loaded returns the account with that name if it is in memory, else nil.
func (m *Manager) loaded(name string) *account {
	v, _ := m.accounts.Load(name)
	a, _ := v.(*account)
	return a
}

// each runs f for every account in memory.
func (m *Manager) each(f func(*account)) {
	m.accounts.Range(func(_, v any) bool {
		f(v.(*account))
		return true
	})
}

// account returns the account with that name, and creates it if there is none. The name must be valid.
func (m *Manager) account(name string) *account {
	if a := m.loaded(name); a != nil {
		return a
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.loaded(name); a != nil {
		return a
	}
	a := newAccount(m, name)
	if p, ok := m.parked[name]; ok {
		a.resume(p)
	}
	m.addLocked(a)
	return a
}

// addLocked keeps a in memory, and makes room for it.
func (m *Manager) addLocked(a *account) {
	delete(m.parked, a.name)
	m.accounts.Store(a.name, a)
	m.lru.Add(a.name, a)
	m.evictLocked()
}

// know records that an account exists, and loads it into memory if there is room.
func (m *Manager) know(name string) {
	m.mu.Lock()
	_, known := m.parked[name]
	if a := m.loaded(name); a != nil {
		a.mu.Lock()
		a.listed, known = true, true
		a.mu.Unlock()
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

// evictLocked removes the least recently used accounts from memory. An account with a flight or an unsaved
// rotation stays, because it may have the only copy of a token.
func (m *Manager) evictLocked() {
	for tries := m.lru.Len(); m.lru.Len() > m.config.MaxAccounts && tries > 0; tries-- {
		name, a, _ := m.lru.GetOldest()
		p, ok := a.park()
		if !ok {
			m.lru.Get(name) // makes it the most recently used
			continue
		}
		m.lru.Remove(name)
		m.accounts.Delete(name)
		if !p.gone {
			m.parked[name] = p
		}
	}
}

// park returns the part of the account that is kept when it is evicted. ok is false if it must stay, because it
// may have the only copy of a token.
func (a *account) park() (p parked, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flight != nil || a.logins > 0 || a.unsaved != nil {
		return parked{}, false
	}
	return parked{status: a.told, cool: a.cool, gone: !a.existsLocked(), readAt: a.loadedAt}, true
}

// resume restores what park kept. No other goroutine knows the account yet.
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
	unread := a.rec.Generation == 0 && a.listed && (a.loadedAt.IsZero() || a.loadErr != nil)
	return configured || stored || unread || a.asked && a.name == DefaultAccount
}

// touch marks a as recently used, at most once a second.
func (m *Manager) touch(a *account, now time.Time) {
	second := now.Unix()
	if last := a.touched.Load(); last == second || !a.touched.CompareAndSwap(last, second) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lru.Get(a.name)
}

// wake makes the background goroutine check the schedules again.
func (m *Manager) wake() { tell(m.poke) }

// tell wakes the reader of c, whose capacity is one: several calls before a read count as one.
func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// load reads the record of an account, with a time-out that Close does not shorten. If there is none, it returns the
// zero Record.
func (m *Manager) load(account string) (Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	rec, err := m.config.Store.Load(ctx, account)
	if errors.Is(err, ErrNotFound) {
		return Record{}, nil
	}
	m.countStoreError("load", err)
	return rec, err
}

// countStoreError counts an error of the store. ErrConflict is a normal answer and does not count.
func (m *Manager) countStoreError(op string, err error) {
	if err != nil && m.config.StoreFailed != nil && !errors.Is(err, ErrConflict) {
		m.config.StoreFailed(op)
	}
}

// save writes the record of an account, with a time-out that Close does not shorten.
func (m *Manager) save(account string, rec Record) (Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	saved, err := m.config.Store.Save(ctx, account, rec)
	m.countStoreError("save", err)
	if err == nil {
		m.checked(nil) // known before the next check
	}
	return saved, err
}

// update saves next. After each conflict it loads the stored record, and saves what redo makes of it. If redo returns
// false, the stored record stays. update returns the record that is stored then.
func (m *Manager) update(account string, next Record, redo func(found Record) (Record, bool)) (Record, error) {
	for {
		saved, err := m.save(account, next)
		if !errors.Is(err, ErrConflict) {
			return saved, err
		}
		found, err := m.load(account)
		if err != nil {
			return Record{}, err
		}
		var again bool
		if next, again = redo(found); !again {
			return found, nil
		}
	}
}

// checked records if the store can save records. If that changes, the state of every account shows it.
func (m *Manager) checked(err error) {
	m.life.Lock()
	changed := (err == nil) != (m.storeErr == nil)
	m.storeErr = err
	m.life.Unlock()
	if changed {
		m.each(func(a *account) { m.report(a, Event{Kind: EventState}) })
	}
}

// Close stops the background refresh and waits for running token calls and for unsaved pairs, until ctx ends.
// Then it cancels the calls; a pair that is still unsaved is in its emergency file. Close may be called more
// than once.
func (m *Manager) Close(ctx context.Context) error {
	m.life.Lock()
	if !m.closed {
		m.closed = true
		close(m.closing)
		if m.config.SaveTimeout > 0 {
			limit := time.AfterFunc(m.config.SaveTimeout, func() { close(m.enough) })
			defer limit.Stop()
		}
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
