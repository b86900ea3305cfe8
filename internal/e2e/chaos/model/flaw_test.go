package model

// Flaw is an error that can be planted, to see that the search would find it.
type Flaw uint8

const (
	Sound            Flaw = iota
	Takeover              // a marker is replaced although its owner lives
	SilentTakeover        // a takeover does not set unconfirmed_since in its own swap
	BlindSave             // a late pair is saved over whatever is there
	NoQuiet               // the token is sent again while an earlier request may be under way
	EarlyUse              // a pair is used before its save is tried
	BrittleLease          // any conflict ends a lease, also one with a harmless write
	ForgetfulRelease      // the end of a flight writes an older copy over what another owner left
	MeekLogin             // a login that was kept in memory gives way to a refresh
	OldName               // a restarted process takes the marker of the dead one for its own
)

func (f Flaw) String() string {
	return [...]string{
		"none", "takeover from a living owner", "takeover without unconfirmed_since", "late save over a newer record",
		"no quiet time", "use before save", "lease lost to a harmless write",
		"release over what another left", "login dropped for a refresh", "a name that outlives its process",
	}[f]
}
