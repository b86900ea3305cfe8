package tokens

import "context"

// Store keeps one record per account, with compare-and-swap. Load and Save are all that the life
// cycle needs; a store may be shared by any number of processes, and by goroutines.
type Store interface {
	// Load returns the record of account, with the Version that a later Save is compared with.
	// ErrNotFound means that there is none; every other error means that the store cannot tell.
	Load(ctx context.Context, account string) (Record, error)
	// Save replaces the record that has rec.Version by rec, durably, and returns it with its new
	// Version. An empty rec.Version means that there must be no record yet. ErrConflict means that
	// the store holds another version (or one where none was expected) and was left as it is. After any
	// other error it is not known whether the record was written. Save keeps no reference to rec.
	Save(ctx context.Context, account string, rec Record) (Record, error)
}

// Locker is a Store that can tell whether the owner of a refresh is still alive. Of a store
// that is none, an owner proves its life by renewing the marker's lease.
type Locker interface {
	// TryLock takes the refresh lock of account without waiting; ok is false while another holds it,
	// in this process or in another. The lock is freed by unlock (which is safe to call twice) or by
	// the death of the process.
	TryLock(ctx context.Context, account string) (unlock func(), ok bool, err error)
}

// Lister is a Store that can name its accounts, in no special order.
type Lister interface {
	Accounts(ctx context.Context) ([]string, error)
}
