package workspace

import (
	"encoding/json"
	"fmt"
	"time"
)

// New returns a workspace with something in it, so that the first GET shows more than []. log returns
// what the API was asked, for the API log.
func New(ids Source, log func() []Request, now time.Time) *Workspace {
	w := &Workspace{
		ids: ids, log: log,
		documents: newShelf[document](), templates: newShelf[template](), contacts: newShelf[contact](),
		library: newShelf[libraryItem](), documentFolders: newShelf[folder](), templateFolders: newShelf[folder](),
		webhooks: newShelf[webhook](), events: newShelf[webhookEvent](), products: newShelf[product](),
	}
	w.sampleMembers(now)
	w.sampleContents(now)
	w.sampleDocuments(now)
	return w
}

func (w *Workspace) sampleMembers(now time.Time) {
	home := w.ids.ID()
	for i, name := range []string{"Ada", "Grace"} {
		role, license := "Admin", "Full"
		if i > 0 {
			role = "Member"
		}
		since := stamp(now.AddDate(-1, 0, i))
		w.members = append(w.members, member{
			UserID: w.ids.ID(), MembershipID: w.ids.ID(), Email: fmt.Sprintf("%s@sandbox.example", []string{"ada", "grace"}[i]),
			FirstName: name, LastName: "Sandbox", IsActive: true, Workspace: home, WorkspaceName: "Sandbox workspace",
			EmailVerified: true, EmailsVerified: true, Role: role, UserLicense: license, DateCreated: since, DateModified: since,
		})
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
			id: w.ids.ID(), name: name, created: now.AddDate(0, -5, i), modified: now.AddDate(0, -1, i), folderID: shared.id,
			roles: []string{"Client", "Sender"}, tags: []string{"sample"}, tokens: json.RawMessage(`[{"name":"Client.Company","value":""}]`),
		}
		w.templates.put(t.id, t, 1024)
	}
	for _, name := range []string{"Terms of delivery", "About us"} {
		item := &libraryItem{id: w.ids.ID(), name: name, created: now.AddDate(0, -4, 0), tags: []string{"sample"}}
		w.library.put(item.id, item, 512)
	}
	for _, title := range []string{"Consulting hour", "Annual licence"} {
		p := &product{UUID: w.ids.ID(), Title: title, SKU: "S-" + title[:3], Type: "regular", Price: json.RawMessage("100"), Modified: stamp(now)}
		w.products.put(p.UUID, p, 512)
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
			id: w.ids.ID(), name: fmt.Sprintf("[DEV] %s no. %d", from.name, i+1), created: made, expires: now.AddDate(0, 2, 0),
			templateID: from.id, owner: w.members[i%len(w.members)].MembershipID, createdBy: "template", tags: []string{"sample"},
			folderID: w.documentFolders.order[i%2],
			metadata: json.RawMessage(fmt.Sprintf(`{"order":"%d"}`, 1000+i)),
			tokens:   json.RawMessage(`[{"name":"Client.Company","value":"Customer Ltd"}]`),
			fields:   []field{{UUID: w.ids.ID(), FieldID: "Note", Name: "Note", Type: "text", Value: json.RawMessage(`"made up"`)}},
		}
		d.setStatus(status, made.Add(time.Hour))
		r, err := w.newRecipient(people[i%len(people)], 1)
		if err != nil { // the samples are ours, and right
			panic(err)
		}
		d.recipients = []*recipient{r}
		w.documents.put(d.id, d, 2048)
		w.happened(d, "document_created", made)
		if status != statusDraft {
			w.happened(d, "document_sent", made.Add(30*time.Minute))
		}
	}
}
