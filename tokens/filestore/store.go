// Package filestore keeps the records of accounts in files, one directory for any number of
// processes on one machine:
//
//	store, err := filestore.Open(filestore.Options{Dir: "/var/lib/pandadoc-auth-proxy"})
//	rec, err := store.Load(ctx, "default")
//
// # Files
//
//	ACCOUNT.json      the record (tokens.Codec), mode 0600, replaced as a whole
//	ACCOUNT.lock      held for the moment of a compare-and-swap
//	ACCOUNT.refresh   held by the process that refreshes the account (Store.TryLock)
//	ACCOUNT.tmp-NNN   a record that is being written
//
// A record is written to a temporary file, synced and renamed over the old one, and then the directory is
// synced. So after a crash of the process or the machine there is either the old record or the new one. The
// lock files are empty. They are never deleted: after a deletion, two processes could lock two different files that
// had the same name. The locks are advisory locks of the kernel (flock): they end with the process that holds them.
//
// # Security
//
// Without a Codec the tokens in the records are not encrypted; the modes of the files protect them. The
// directory has mode 0700 and belongs to the user that runs the program. If other users can enter the given
// directory (as with many mounted volumes), a private directory is created and used below it. Existing records
// are used where they are. If the mode of one of our files was widened, it is corrected with a warning. Files
// of other users and symbolic links are refused. On Windows, the access control list of the directory protects
// the records instead.
//
// # Errors
//
// An error that a person must fix names the file, and problem.HintOf returns the next step. A file that cannot be
// read (damaged, or written by a newer version) is an error of both Load and Save: it is not overwritten.
//
// # Limits
//
// Check detects network file systems without working locks, and refuses them.
package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// Suffixes of an account's files.
const (
	recordSuffix  = ".json"
	lockSuffix    = ".lock"
	refreshSuffix = ".refresh"
	tempInfix     = ".tmp-"
)

// Store is a tokens.Store in a directory. It keeps no record in memory and nothing open: all methods may
// be called concurrently, and the directory may be moved, replaced or restored while it is in use.
type Store struct {
	root     string                 // as given, absolute
	last     atomic.Pointer[string] // where records were found last; nil before
	warn     func(string)           // never nil
	codec    *tokens.Codec
	lockWait time.Duration // how long one compare-and-swap waits for the lock
}

var (
	_ tokens.Store   = (*Store)(nil)
	_ tokens.Locker  = (*Store)(nil)
	_ tokens.Checker = (*Store)(nil)
	_ tokens.Lister  = (*Store)(nil)
)

// Options configure a store.
type Options struct {
	// Dir is the directory. Required.
	Dir string
	// Codec encrypts the tokens. Nil means that they are not encrypted.
	Codec *tokens.Codec
	// Warn is called with everything that the store finds and corrects. The text is one line, without secrets. It may be
	// called concurrently. Nil is allowed.
	Warn func(text string)
}

// Open returns the store in o.Dir, and creates the directory if it is missing. It removes files of writers that died
// during a save, and the rights of other users. A read-only directory is not an error here, because records can be
// loaded from it; Check reports it.
func Open(o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, errors.New("token store: no directory given: name one with --store file:DIR")
	}
	root, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fail("find", o.Dir, err)
	}
	s := &Store{root: root, codec: o.Codec, warn: o.Warn, lockWait: 10 * time.Second}
	if s.warn == nil {
		s.warn = func(string) {}
	}
	place, err := s.prepare()
	if err != nil {
		return nil, err
	}
	if err := s.tidy(place); err != nil {
		return nil, err
	}
	return s, nil
}

// Dir returns the directory of the records: the one given to Open, or our own below it.
func (s *Store) Dir() string {
	if dir, err := s.find(); err == nil {
		return dir
	}
	return s.root
}

// Load implements tokens.Store. It takes no lock: a record is replaced as a whole.
func (s *Store) Load(ctx context.Context, account string) (tokens.Record, error) {
	if err := errors.Join(tokens.CheckAccount(account), ctx.Err()); err != nil {
		return tokens.Record{}, err
	}
	dir, err := s.find()
	if errors.Is(err, fs.ErrNotExist) {
		return tokens.Record{}, tokens.ErrNotFound
	}
	if err != nil {
		return tokens.Record{}, err
	}
	return s.read(filepath.Join(dir, account+recordSuffix))
}

// Save implements tokens.Store. ctx bounds the wait for another writer of the account, which is also never
// longer than ten seconds; once Save has begun to write it goes through to the end.
func (s *Store) Save(ctx context.Context, account string, rec tokens.Record) (tokens.Record, error) {
	if err := errors.Join(tokens.CheckAccount(account), ctx.Err()); err != nil {
		return tokens.Record{}, err
	}
	data, written, err := s.codec.EncodeNew(account, rec)
	switch {
	case err != nil:
		return tokens.Record{}, err
	case len(data) >= maxRecord: // read would refuse it
		return tokens.Record{}, fmt.Errorf("token store: the record is too large (%d bytes)", len(data))
	}
	dir, err := s.prepare()
	if err != nil {
		return tokens.Record{}, err
	}
	lock, err := s.lock(ctx, filepath.Join(dir, account+lockSuffix))
	if err != nil {
		return tokens.Record{}, err
	}
	defer lock.unlock()
	current, err := s.read(filepath.Join(dir, account+recordSuffix))
	switch {
	case err != nil && !errors.Is(err, tokens.ErrNotFound):
		return tokens.Record{}, err
	case current.Version != rec.Version:
		return tokens.Record{}, tokens.ErrConflict
	}
	if err := replace(dir, account, append(data, '\n'), lock); err != nil {
		return tokens.Record{}, err
	}
	return written, nil
}

// Accounts implements tokens.Lister.
func (s *Store) Accounts(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := s.find()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fail("list", dir, err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), recordSuffix); ok && tokens.ValidAccount(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// noAccount takes the place of an account in the names of the files that Check writes.
const noAccount = ""

// Check tests that the store can be read, written and locked: it writes a probe of the size of a
// record, reads it, and removes it. It reads no record. Errors are those of Load and Save.
func (s *Store) Check(ctx context.Context, _ string) error {
	dir, err := s.prepare()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, noAccount+lockSuffix)
	lock, err := s.lock(ctx, path)
	if err != nil {
		return err
	}
	defer lock.unlock()
	if err := checkLock(path); err != nil {
		return err
	}
	return s.checkWrite(dir)
}

// checkLock tries the lock that is held. Some network file systems grant every lock to everybody.
func checkLock(path string) error {
	second, err := tryLock(path)
	if err != nil || second == nil {
		return err
	}
	second.unlock()
	return withFix("lock", path, errors.New("locks have no effect here"), elsewhere+" on a local disk")
}

func (s *Store) checkWrite(dir string) error {
	probe := bytes.Repeat([]byte("probe of the token store\n"), 400)
	path, err := writeTemp(dir, noAccount, probe)
	if err != nil {
		return err
	}
	got, err := s.contents(path)
	if err := os.Remove(path); err != nil {
		return fail("remove", path, err)
	}
	if err == nil && !bytes.Equal(got, probe) {
		err = withFix("read", path, errors.New("did not return the bytes that were written"), "check the disk, or "+elsewhere)
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

const elsewhere = "choose another place with --store file:DIR"

var errReplaced = errors.New("the directory was replaced during the save")

// withFix returns an error that names the file or directory that is in the way, and has fix as its hint.
func withFix(op, path string, err error, fix string) error {
	return problem.WithHint(fmt.Errorf("token store: %s %s: %w", op, path, err), fix)
}

// fail is withFix for an error of the operating system.
func fail(op, path string, err error) error {
	// The path is named already.
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	} else if l, ok := errors.AsType[*os.LinkError](err); ok {
		err = l.Err
	}
	return withFix(op, path, err, fixFor(err))
}

func fixFor(err error) string {
	is := func(codes []error) bool {
		return slices.ContainsFunc(codes, func(code error) bool { return errors.Is(err, code) })
	}
	switch {
	case is(diskFull()):
		return "make room there; the stored records are unharmed"
	case is(readOnly()):
		return "mount it writable, or " + elsewhere
	case is(notDirectory()):
		return "a file is where a directory is needed: move it away, or " + elsewhere
	case is(mountPoint()):
		return "mount the directory and not the single file, which cannot be replaced while it is a mount point"
	case is(noLocks()):
		return "this file system has no locks: " + elsewhere + " on a local disk"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("give %s the permission, or %s", whoWeAre(), elsewhere)
	case errors.Is(err, errReplaced):
		return "try again"
	}
	return "repair it, or " + elsewhere
}

func refuseLink(path string) error {
	fix := "use the real path instead of the link"
	if target, err := os.Readlink(path); err == nil {
		fix += ", " + target
	}
	return withFix("use", path, errors.New("is a symbolic link"), fix)
}

func refuseForeign(path string, fi fs.FileInfo) error {
	return withFix("use", path, fmt.Errorf("belongs to another user (uid %d)", owner(fi)),
		fmt.Sprintf("run as that user, or give it to %s with chown, or %s", whoWeAre(), elsewhere))
}

// refuseTwoPlaces returns the error for records in both dir and below. A person must decide which of two records
// of one account is newer.
func refuseTwoPlaces(dir, below string) error {
	return withFix("use", dir, fmt.Errorf("there are records in it and in %s", below),
		fmt.Sprintf("stop all proxies and move the .json files of one directory into the other; if both have a file for an account, keep the one with the later obtained_at; "+
			"or use only the records in %s: --store file:%s", below, below))
}
