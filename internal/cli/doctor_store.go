package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

// tokenStore looks whether records can be read, written and locked.
func (x *examination) tokenStore(context.Context) (found []finding) {
	for _, text := range x.warnings {
		found = append(found, worrying(text, "nothing to do if it does not come back; else look for who changes it"))
	}
	switch {
	case x.storeErr == errNotConfigured:
		return append(found, skipped(x.storeErr.Error()))
	case x.storeErr != nil:
		return append(found, failingAs(x.storeErr, stores.Fix))
	case x.store.Limited != nil:
		return append(found, failingAs(x.store.Limited, stores.Fix))
	}
	if w := x.config.SpentSeed(x.store); w != nil {
		return append(found, worrying(w.Error(), problem.HintOf(w)))
	}
	return append(found, fine(x.store.Name+" can be read, written and locked"))
}

// patient is one account.
type patient struct {
	name   string
	config tokens.AccountConfig
	record tokens.Record
	err    error  // of reading the record; nil also if nobody ever signed in
	unseen string // why it is not known what the record holds
}

// patients are the accounts of the store and of the configuration, with their records as they are now.
// The records are read and not settled, as a Manager would do.
func (x *examination) patients(ctx context.Context) []patient {
	var all []patient
	for _, name := range x.accountNames(ctx) {
		all = append(all, x.patient(ctx, name))
	}
	return all
}

func (x *examination) patient(ctx context.Context, name string) patient {
	p := patient{name: name, config: x.config.Tokens.Accounts[name]}
	switch {
	case x.store.Records == nil:
		p.unseen = "the store cannot be opened"
		return p
	case !x.store.Persistent && x.proxy != nil:
		p.unseen = "its tokens are in the memory of the running proxy"
		return p
	}
	if p.record, p.err = x.store.Records.Load(ctx, name); errors.Is(p.err, tokens.ErrNotFound) {
		p.err = nil
	}
	if p.err != nil {
		p.unseen = "its record cannot be read"
	}
	return p
}

// accountNames leaves out the account "default" where others are in use and nobody has it.
func (x *examination) accountNames(ctx context.Context) []string {
	if x.command.Account != "" {
		return []string{x.command.Account}
	}
	names := slices.Collect(maps.Keys(x.config.Tokens.Accounts))
	if l, ok := x.store.Records.(tokens.Lister); ok {
		stored, _ := l.Accounts(ctx) // an error shows in the check of the store
		names = append(names, stored...)
	}
	if len(names) == 0 {
		names = []string{tokens.DefaultAccount}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// records looks whether each can be understood.
func (x *examination) records(ctx context.Context) (found []finding) {
	if x.store.Records == nil {
		return []finding{skipped("the store cannot be opened")}
	}
	read := 0
	for _, p := range x.patients(ctx) {
		switch {
		case p.err != nil:
			found = append(found, failingAs(stores.Explain(p.err), stores.Fix))
		case p.record.Generation > 0:
			read++
		}
	}
	if len(found) > 0 {
		return found
	}
	return []finding{fine(fmt.Sprintf("records that are stored and understood: %d", read))}
}
