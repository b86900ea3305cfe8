package sandbox

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// maxWebhooks is the service's limit for a workspace.
const maxWebhooks = 300

// webhook is a subscription. Nothing is ever delivered: the emulator makes no requests.
type webhook struct {
	UUID        string   `json:"uuid"`
	WorkspaceID string   `json:"workspace_id"`
	Name        string   `json:"name"`
	URL         string   `json:"url"`
	Active      bool     `json:"active"`
	Status      string   `json:"status"`
	Payload     []string `json:"payload"`
	Triggers    []string `json:"triggers"`
	SharedKey   string   `json:"shared_key"`
}

// webhookEvent is what would have been delivered.
type webhookEvent struct {
	UUID           string `json:"uuid"`
	Name           string `json:"name"`
	Type           string `json:"type"`
	HTTPStatusCode *int   `json:"http_status_code"`
	Error          string `json:"error"`
	DeliveryTime   stamp  `json:"delivery_time"`

	url  string
	body string
}

// notDelivered is the error of every event here.
const notDelivered = "INTERNAL_ERROR"

func triggerNames() []string {
	return []string{
		"recipient_completed", "document_updated", "document_deleted", "document_state_changed",
		"document_creation_failed", "document_completed_pdf_ready", "document_section_added", "quote_updated",
		"template_created", "template_updated", "template_deleted", "content_library_item_created", "content_library_item_creation_failed",
	}
}

// notify notes an event for every subscription that waits for it.
func (w *world) notify(trigger string, d *document, now time.Time) {
	for _, hook := range w.webhooks.all() {
		if !hook.Active || !slices.Contains(hook.Triggers, trigger) {
			continue
		}
		body, err := json.Marshal([]any{map[string]any{"event": trigger, "data": d.brief(now)}})
		if err != nil {
			continue
		}
		e := &webhookEvent{
			UUID: w.ids.id(), Name: hook.Name, Type: trigger, Error: notDelivered,
			DeliveryTime: stamp(now), url: hook.URL, body: string(body),
		}
		w.events.put(e.UUID, e, int64(len(body))+512)
	}
}

// listWebhooks is operation 91. Its collection is called items.
func (w *world) listWebhooks(*call) (reply, error) {
	return ok(map[string]any{"items": w.webhooks.all()})
}

func (h *webhook) check() error {
	u, err := url.Parse(h.URL)
	switch {
	case h.Name == "":
		return invalid("name", "This field is required.")
	case err != nil || u.Scheme != "https" || u.Host == "":
		return invalid("url", "Enter a valid https URL.")
	case len(h.Triggers) == 0:
		return invalid("triggers", "This field is required.")
	}
	for _, t := range h.Triggers {
		if !slices.Contains(triggerNames(), t) {
			return invalid("triggers", bounded(t, 60)+" is not a valid choice.")
		}
	}
	return nil
}

// createWebhook is operation 92.
func (w *world) createWebhook(c *call) (reply, error) {
	in := webhook{Active: true, Status: "ACTIVE", Payload: []string{}}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if err := in.check(); err != nil {
		return reply{}, err
	}
	if len(w.webhooks.order) >= maxWebhooks {
		return reply{}, malformed("At most " + strconv.Itoa(maxWebhooks) + " subscriptions are allowed.")
	}
	in.UUID, in.WorkspaceID, in.SharedKey = w.ids.id(), w.members[0].Workspace, w.ids.id()
	w.webhooks.put(in.UUID, &in, c.size())
	return created(in)
}

// webhookDetails is operation 93.
func (w *world) webhookDetails(c *call) (reply, error) {
	hook, err := w.webhooks.get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	return ok(hook)
}

// changeWebhook is operation 94.
func (w *world) changeWebhook(c *call) (reply, error) {
	hook, err := w.webhooks.get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	changed := *hook
	if err := c.decode(&changed); err != nil {
		return reply{}, err
	}
	changed.UUID, changed.WorkspaceID, changed.SharedKey = hook.UUID, hook.WorkspaceID, hook.SharedKey
	if changed.Status = "ACTIVE"; !changed.Active {
		changed.Status = "INACTIVE"
	}
	if err := changed.check(); err != nil {
		return reply{}, err
	}
	*hook = changed
	w.webhooks.grow(hook.UUID, c.size())
	return ok(hook)
}

// deleteWebhook is operation 95.
func (w *world) deleteWebhook(c *call) (reply, error) {
	if !w.webhooks.remove(c.vars["id"]) {
		return reply{}, notFound()
	}
	return noContent()
}

// newSharedKey is operation 96.
func (w *world) newSharedKey(c *call) (reply, error) {
	hook, err := w.webhooks.get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	hook.SharedKey = w.ids.id()
	return ok(map[string]string{"shared_key": hook.SharedKey})
}

// listEvents is operation 97.
func (w *world) listEvents(c *call) (reply, error) {
	from, to, err := c.pages(50, 100)
	if err != nil {
		return reply{}, err
	}
	since, err := c.moment("since")
	if err != nil {
		return reply{}, err
	}
	until, err := c.moment("to")
	if err != nil {
		return reply{}, err
	}
	kinds := c.query["type"]
	found := keep(w.events.all(),
		func(e *webhookEvent) bool { return len(kinds) == 0 || slices.Contains(kinds, e.Type) },
		func(e *webhookEvent) bool { return !e.DeliveryTime.time().Before(since) },
		func(e *webhookEvent) bool { return until.IsZero() || e.DeliveryTime.time().Before(until) },
		func(*webhookEvent) bool { return c.query.Get("http_status_code") == "" }, // none was answered
	)
	slices.Reverse(found)
	return ok(map[string]any{"items": nonNil(window(found, from, to))})
}

// eventDetails is operation 98.
func (w *world) eventDetails(c *call) (reply, error) {
	e, err := w.events.get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	return ok(struct {
		*webhookEvent
		URL         string `json:"url"`
		RequestBody string `json:"request_body"`
		EventTime   stamp  `json:"event_time"`
	}{e, e.url, e.body, e.DeliveryTime})
}
