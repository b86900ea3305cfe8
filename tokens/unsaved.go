package tokens

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	saveAgainMin = 250 * time.Millisecond
	saveAgainMax = 10 * time.Second
)

// unsaved is a pair that the server has given and the store has not taken. Nothing else holds it.
type unsaved struct {
	rec    Record
	from   uint64 // the generation that it replaces
	unlock func() // frees the store's refresh lock, which is kept until the pair is saved
	err    error  // of the last save
	login  bool   // a person gave it, and not a refresh
}

func (u *unsaved) reason() string { return "the newest tokens are in memory only: " + u.err.Error() }

// keepSaving tries to save the unsaved pair until that succeeds or the Manager must end. Then, as the last
// resort, it leaves an emergency file.
func (a *account) keepSaving() {
	a.mu.Lock()
	u := a.unsaved
	a.mu.Unlock()
	for pause := saveAgainMin; ; pause = min(2*pause, saveAgainMax) {
		goOn := a.sleep(a.m.ctx.Done(), pause)
		saved, err := a.store(u.rec, u.from, u.login)
		if err == nil {
			a.saved(u, saved)
			return
		}
		a.change(func() { u.err = err })
		if !goOn {
			a.leaveEmergency(u)
			return
		}
	}
}

// saved ends the emergency: the pair, or one that is newer, is in the store.
func (a *account) saved(u *unsaved, rec Record) {
	a.change(func() {
		a.unsaved = nil
		a.lookErr = nil
		a.adopt(rec)
		a.schedule(time.Now())
	})
	u.unlock()
	a.m.wake()
	a.tell(Event{Kind: EventSaved, Generation: rec.Generation})
}

// leaveEmergency writes the pair to the emergency file. The refresh lock ends with the process.
func (a *account) leaveEmergency(u *unsaved) {
	defer u.unlock()
	path := a.emergencyPath()
	if path == "" {
		a.tell(Event{Kind: EventEmergency, Generation: u.rec.Generation, Err: u.err, Detail: "the newest tokens could not be saved anywhere"})
		return
	}
	if err := a.writeEmergency(path, u.rec); err != nil {
		a.tell(Event{Kind: EventEmergency, Generation: u.rec.Generation, Err: err, Detail: "the newest tokens could not be saved anywhere: " + err.Error()})
		return
	}
	a.tell(Event{Kind: EventEmergency, Generation: u.rec.Generation, Detail: "the newest tokens are in " + path + "; they are taken from there at the next start"})
}

func (a *account) writeEmergency(path string, rec Record) error {
	data, err := a.m.config.Codec.Encode(a.name, rec)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func (a *account) emergencyPath() string {
	if a.m.config.EmergencyPrefix == "" {
		return ""
	}
	return a.m.config.EmergencyPrefix + a.name + ".json"
}

// emergency returns the record of an emergency file if it follows found, the record in the store (zero if
// there is none).
func (a *account) emergency(found Record) (Record, bool) {
	kept, err := a.readEmergency(a.emergencyPath())
	if err != nil || kept.Generation <= found.Generation {
		return Record{}, false
	}
	follows := found.Generation == 0 || (kept.Previous != nil && kept.Previous.Generation == found.Generation &&
		kept.Previous.RefreshFingerprint == found.RefreshToken.Fingerprint(seedRefresh))
	return rebase(kept, found), follows
}

// discardEmergency removes an emergency file that the store has caught up with.
func (a *account) discardEmergency(rec Record) {
	if kept, err := a.readEmergency(a.emergencyPath()); err == nil && kept.Generation <= rec.Generation {
		_ = os.Remove(a.emergencyPath())
	}
}

var errNotOurs = errors.New("not a private file of ours")

// readEmergency reads an emergency file. The directory may be everybody's, so a file that another
// user may have put there is not read.
func (a *account) readEmergency(path string) (Record, error) {
	if path == "" {
		return Record{}, fs.ErrNotExist
	}
	info, err := os.Lstat(path)
	if err != nil {
		return Record{}, err
	}
	if !info.Mode().IsRegular() || !ownedByUs(info) || info.Size() > maxAnswer {
		return Record{}, fmt.Errorf("emergency file %s: %w", path, errNotOurs)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Record{}, err
	}
	return a.m.config.Codec.Decode(a.name, data)
}
