package tokens

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	emergencyPrefix = "pandadoc-auth-proxy-emergency-"
	maxEmergency    = 4 << 20 // bytes of a file; a record is far smaller
	// listTime is how long a list of files is used. It must be much less than quietTime: a process that takes
	// over from one that died after it had written a file waits for quietTime, and must see the file.
	listTime = 5 * time.Second
	// hangTime is how long a pair waits for its store before it is kept in a file as well. A container may be killed
	// before the store's time has run out.
	hangTime = time.Second
)

// errNoPlace is returned for a pair that could not be written to any directory.
var errNoPlace = errors.New("no emergency file can be written to any directory; name a writable directory with --temp-dir")

// emergencyDirs keeps emergency files in directories that all users may write to. The names of files cannot be
// guessed. A file is used only if it is private, belongs to this user, and is for the same store and account.
type emergencyDirs struct {
	dirs  []string
	store string
	codec *Codec

	mu sync.Mutex // serialises writing and discarding

	listMu sync.Mutex // guards the fields below
	paths  []string   // of the files there, of all owners
	listed time.Time  // when they were listed; zero means not since something changed
}

// emergencyFile is the format of a file. Store, account, lineage and generation are for people to read. The
// program uses the record, which may be encrypted.
type emergencyFile struct {
	Store      string          `json:"store"`
	Account    string          `json:"account"`
	Lineage    Lineage         `json:"lineage"`
	Generation uint64          `json:"generation"`
	Record     json.RawMessage `json:"record"`
}

// write implements emergencyFiles. If a file with the record exists already, it writes no second one.
func (d *emergencyDirs) write(account string, rec Record) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path, kept := range d.files(account) {
		if kept.Compare(rec) == 0 {
			return path, nil
		}
	}
	record, err := d.codec.Encode(account, rec)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(emergencyFile{d.store, account, rec.Lineage, rec.Generation, record})
	if err != nil {
		return "", fmt.Errorf("encode emergency file: %w", err)
	}
	errs := []error{errNoPlace}
	defer d.forget()
	for _, dir := range d.dirs {
		path := filepath.Join(dir, emergencyPrefix+strings.ToLower(rand.Text())+".json")
		err := writeNew(path, data)
		if err == nil {
			return path, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// guard implements emergencyFiles.
func (d *emergencyDirs) guard(account string, rec Record) (release func()) {
	written := make(chan struct{})
	timer := time.AfterFunc(hangTime, func() {
		defer close(written)
		_, _ = d.write(account, rec) // if this fails, the next write returns the error
	})
	return func() {
		if !timer.Stop() {
			<-written
		}
	}
}

// writeNew creates a private file that did not exist before, and the directory if it is missing.
func writeNew(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path)
		return err
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync() // not every system can do this; the file itself is written
		_ = dir.Close()
	}
	return nil
}

// newest implements emergencyFiles.
func (d *emergencyDirs) newest(account string) (newest Record, ok bool) {
	for _, rec := range d.files(account) {
		if !ok || rec.Compare(newest) > 0 {
			newest, ok = rec, true
		}
	}
	return newest, ok
}

// discard implements emergencyFiles.
func (d *emergencyDirs) discard(account string, rec Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path, kept := range d.files(account) {
		if kept.Compare(rec) <= 0 {
			_ = os.Remove(path)
			d.forget()
		}
	}
}

// files returns the records of account in our files, by path. It ignores files that cannot be read, because
// anybody may have put them there.
func (d *emergencyDirs) files(account string) map[string]Record {
	found := map[string]Record{}
	for _, path := range d.list() {
		if rec, err := d.read(path, account); err == nil {
			found[path] = rec
		}
	}
	return found
}

// list returns the paths of the files. Thousands of accounts that are read again share one list.
func (d *emergencyDirs) list() []string {
	d.listMu.Lock()
	defer d.listMu.Unlock()
	if !d.listed.IsZero() && time.Since(d.listed) < listTime {
		return d.paths
	}
	d.paths, d.listed = nil, time.Now()
	for _, dir := range d.dirs {
		entries, _ := os.ReadDir(dir) // a directory that cannot be read has no file for us
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), emergencyPrefix) {
				d.paths = append(d.paths, filepath.Join(dir, e.Name()))
			}
		}
	}
	return d.paths
}

// forget makes the next call list the directories again.
func (d *emergencyDirs) forget() {
	d.listMu.Lock()
	defer d.listMu.Unlock()
	d.listed = time.Time{}
}

// errNotOurs is returned for a file of another user, store or account.
var errNotOurs = errors.New("not a private file of ours")

func (d *emergencyDirs) read(path, account string) (Record, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return Record{}, err
	}
	if !info.Mode().IsRegular() || !ownedByUs(info) {
		return Record{}, errNotOurs
	}
	f, err := os.Open(path)
	if err != nil {
		return Record{}, err
	}
	defer f.Close()
	if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
		return Record{}, errNotOurs // replaced since
	}
	data, err := io.ReadAll(io.LimitReader(f, maxEmergency))
	if err != nil {
		return Record{}, err
	}
	var file emergencyFile
	if err := json.Unmarshal(data, &file); err != nil {
		return Record{}, err
	}
	if file.Store != d.store || file.Account != account {
		return Record{}, errNotOurs
	}
	return d.codec.Decode(account, file.Record)
}

// unsavedError returns an error that names the accounts whose newest pair is not in the store.
func (m *Manager) unsavedError() error {
	var errs []error
	m.each(func(a *account) {
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case a.unsaved == nil:
		case a.unsaved.path == "":
			errs = append(errs, fmt.Errorf("the newest tokens of %q could not be saved anywhere: %w", a.name, a.unsaved.err))
		default:
			errs = append(errs, fmt.Errorf("the newest tokens of %q are in %s, because the store could not save them; they are read from there at the next start: %w", a.name, a.unsaved.path, a.unsaved.err))
		}
	})
	return errors.Join(errs...)
}
