package tokens

import (
	"errors"
	"time"
)

// look asks the store for the record, lets the configured seeds act on it, and adopts what is newer than
// what we hold. It returns the record as we hold it now. ErrNotFound means that nobody ever signed in.
func (k *keeper) look() (Record, error) {
	rec, err := k.m.load(k.account)
	if err == nil || errors.Is(err, ErrNotFound) {
		rec, err = k.settle(rec, err)
	}
	adopted, first := false, false
	k.change(func() {
		first = k.lookedAt.IsZero()
		k.lookedAt, k.lookErr = time.Now(), err
		if err == nil {
			adopted = k.rec.Generation > 0 && rec.Generation > k.rec.Generation
			k.take(rec)
		}
		rec = k.rec
	})
	if first && err == nil {
		k.discardEmergency(rec)
	}
	if adopted {
		k.tell(Event{Kind: EventAdopted, Generation: rec.Generation, Detail: "the store holds a newer generation"})
	}
	return rec, err
}

// settle brings the stored record to what it should be: with the seeds of the configuration, with an
// emergency file of an earlier process, and never older than the pair in our own hands.
func (k *keeper) settle(rec Record, err error) (Record, error) {
	for {
		want, changed := k.wanted(rec)
		if !changed {
			return rec, err
		}
		saved, saveErr := k.m.save(k.account, want)
		switch {
		case saveErr == nil:
			return saved, nil
		case !errors.Is(saveErr, ErrConflict):
			return rec, saveErr
		}
		if rec, err = k.m.load(k.account); err != nil && !errors.Is(err, ErrNotFound) {
			return rec, err
		}
	}
}

// wanted returns what the store should hold instead of rec (zero if it holds nothing), and whether that
// differs.
func (k *keeper) wanted(rec Record) (Record, bool) {
	now := wallClock()
	held := k.record()
	if held.HasTokens() && held.Generation > rec.Generation {
		// Somebody restored a backup, or removed the file. A pair in a live process's hand is never
		// overwritten by an older one, nor by nothing.
		held.Version, held.extra = rec.Version, rec.extra
		return held, true
	}
	if kept, ok := k.emergency(rec); ok {
		return kept, true
	}
	return sow(rec, k.config, now)
}

// record returns the record in memory.
func (k *keeper) record() Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rec.Clone()
}

// isUnsaved says whether our pair is in memory only.
func (k *keeper) isUnsaved() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unsaved != nil
}

// take makes rec, just seen in the store, what we hold, unless our own is newer. mu is held.
func (k *keeper) take(rec Record) {
	if rec.Generation < k.rec.Generation || (k.unsaved != nil && rec.Generation == k.rec.Generation) {
		return
	}
	if rec.Generation != k.rec.Generation || !rec.AccessToken.Equal(k.rec.AccessToken) {
		k.refused, k.good = 0, 0
		k.cool = coolDown{}
		k.refreshAt = time.Time{}
		k.doubt = doubt{}
	}
	k.doubt.watch(rec.Pending)
	k.rec = rec
}

// wallClock is the time that goes into records: without a monotonic reading, which means nothing to
// another process.
func wallClock() time.Time { return time.Now().UTC().Round(0) }
