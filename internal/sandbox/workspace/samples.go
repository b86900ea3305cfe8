package workspace

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// New returns a workspace with sample data, so that the first GET shows more than []. log returns the requests to the
// API, for the API log.
func New(ids Source, log func() []Request, now time.Time) *Workspace {
	w := &Workspace{ids: ids, log: log, notary: ids.ID()}
	w.sampleMembers(now)
	w.sampleContents(now)
	w.sampleDocuments(now)
	return w
}

func (w *Workspace) sampleMembers(now time.Time) {
	w.offices.kept, w.users.kept, w.memberships.kept = 1, 1, 1
	home := &office{id: w.ids.ID(), name: "Sandbox workspace", created: stamp(now.AddDate(-1, 0, 0))}
	w.offices.put(home.id, home, 512)
	w.home = home.id
	for i, name := range []string{"Ada", "Grace"} {
		role := []string{"Admin", "Member"}[i]
		since := stamp(now.AddDate(-1, 0, i))
		u := &user{id: w.ids.ID(), email: strings.ToLower(name) + "@sandbox.example", firstName: name, lastName: "Sandbox", license: "Full", owner: i == 0}
		m := &membership{id: w.ids.ID(), userID: u.id, workspaceID: home.id, role: role, created: since}
		w.users.put(u.id, u, 512)
		w.memberships.put(m.id, m, 512)
		if i == 0 {
			w.me = m.id
		}
	}
}

func (w *Workspace) sampleContents(now time.Time) {
	for _, name := range []string{"Sales", "Human resources"} {
		f := &folder{id: w.ids.ID(), name: name, created: now.AddDate(0, -6, 0)}
		w.documentFolders.put(f.id, f, 512)
	}
	shared := &folder{id: w.ids.ID(), name: "Contracts", created: now.AddDate(0, -6, 0)}
	w.templateFolders.put(shared.id, shared, 512)
	for i, name := range []string{"Sales proposal", "Non-disclosure agreement", "Employment contract", "Invoice"} {
		t := &template{
			content: content{
				id: w.ids.ID(), name: name, created: now.AddDate(0, -5, i), modified: now.AddDate(0, -1, i), folderID: shared.id,
				tags: []string{"sample"}, tokens: json.RawMessage(`[{"name":"Client.Company","value":""}]`),
			},
			language: "en-US", roles: []templateRole{{ID: w.ids.ID(), Name: "Client"}, {ID: w.ids.ID(), Name: "Sender"}},
		}
		w.templates.put(t.id, t, 1024)
	}
	for _, name := range []string{"Terms of delivery", "About us"} {
		made := now.AddDate(0, -4, 0)
		item := &content{id: w.ids.ID(), name: name, created: made, modified: made, tags: []string{"sample"}}
		w.library.put(item.id, item, 512)
	}
	for _, title := range []string{"Consulting hour", "Annual licence"} {
		flat, price, sku := 0, 100.0, "S-"+title[:3]
		p := &product{
			id: w.uuid(), variantID: w.uuid(), productInfo: productInfo{Title: title, Type: "regular"}, author: w.current().UserID, created: stamp(now), modified: stamp(now),
			variant: variant{SKU: &sku, CustomFields: json.RawMessage("[]"), Images: json.RawMessage("[]"), Configuration: priceConfiguration{
				UUID: w.uuid(), Currency: "USD", PricingMethod: &flat, Price: &price, BillingType: "one_time", Tiers: json.RawMessage("null"),
			}},
		}
		w.products.put(p.id, p, 512)
	}
	w.forms = []form{{ID: w.ids.ID(), Name: "Request a quote", Status: "active", DateCreated: stamp(now.AddDate(0, -3, 0)), DateModified: stamp(now.AddDate(0, -2, 0))}}
}

func (w *Workspace) sampleDocuments(now time.Time) {
	people := []recipientInput{
		{Email: "kim@customer.example", FirstName: "Kim", LastName: "Customer", Role: "Client"},
		{Email: "sam@supplier.example", FirstName: "Sam", LastName: "Supplier", Role: "Client"},
	}
	templates := w.templates.all()
	for i, status := range []string{statusDraft, statusSent, statusViewed, statusCompleted, statusDraft, statusDeclined, statusCompleted, statusSent} {
		made := now.Add(-time.Duration(30-3*i) * 24 * time.Hour)
		from := templates[i%len(templates)]
		d := &document{
			content: content{
				id: w.ids.ID(), name: fmt.Sprintf("[DEV] %s no. %d", from.name, i+1), created: made,
				folderID: w.documentFolders.order[i%2], tags: []string{"sample"},
				metadata: json.RawMessage(fmt.Sprintf(`{"order":"%d"}`, 1000+i)),
				tokens:   json.RawMessage(`[{"name":"Client.Company","value":"Customer Ltd"}]`),
			},
			expires: now.AddDate(0, 2, 0), templateID: from.id, owner: w.memberships.order[i%2], quote: newQuote(w),
			fields:    []field{{UUID: w.uuid(), FieldID: "Note", MergeField: "Note", Type: "text", Value: json.RawMessage(`"made up"`)}},
			reminders: firstReminders(), settings: firstSettings(),
		}
		d.setStatus(status, made.Add(time.Hour))
		r, err := w.newRecipient(people[i%len(people)], 1)
		if err != nil { // the samples are known to be valid
			panic(err)
		}
		d.recipients = []*recipient{r}
		w.addContacts(d.recipients)
		w.documents.put(d.id, d, 2048)
		w.record(d, actionCreated, made)
		if status != statusDraft {
			w.record(d, actionSent, made.Add(30*time.Minute))
		}
	}
}
