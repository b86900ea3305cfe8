package workspace

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
func (w *Workspace) notify(trigger string, d *document, now time.Time) {
	for _, hook := range w.webhooks.all() {
		if !hook.Active || !slices.Contains(hook.Triggers, trigger) {
			continue
		}
		body, err := json.Marshal([]any{map[string]any{"event": trigger, "data": d.brief(now)}})
		if err != nil {
			continue
		}
		e := &webhookEvent{
			UUID: w.ids.ID(), Name: hook.Name, Type: trigger, Error: notDelivered,
			DeliveryTime: stamp(now), url: hook.URL, body: string(body),
		}
		w.events.put(e.UUID, e, int64(len(body))+512)
	}
}

// listWebhooks answers GET /public/v1/webhook-subscriptions. Its collection is called items.
func (w *Workspace) listWebhooks(*Call) (reply, error) {
	return ok(map[string]any{"items": w.webhooks.all()})
}

func (h *webhook) check() error {
	u, err := url.Parse(h.URL)
	switch {
	case h.Name == "":
		return Invalid("name", "This field is required.")
	case err != nil || u.Scheme != "https" || u.Host == "":
		return Invalid("url", "Enter a valid https URL.")
	case len(h.Triggers) == 0:
		return Invalid("triggers", "This field is required.")
	}
	for _, t := range h.Triggers {
		if !slices.Contains(triggerNames(), t) {
			return Invalid("triggers", Bounded(t, 60)+" is not a valid choice.")
		}
	}
	return nil
}

// createWebhook answers POST /public/v1/webhook-subscriptions.
func (w *Workspace) createWebhook(c *Call) (reply, error) {
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
	in.UUID, in.WorkspaceID, in.SharedKey = w.ids.ID(), w.members[0].Workspace, w.ids.ID()
	w.webhooks.put(in.UUID, &in, c.size())
	return created(in)
}

// webhookDetails answers GET /public/v1/webhook-subscriptions/{id}.
func (w *Workspace) webhookDetails(c *Call) (reply, error) {
	hook, err := w.webhooks.get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	return ok(hook)
}

// changeWebhook answers PATCH /public/v1/webhook-subscriptions/{id}.
func (w *Workspace) changeWebhook(c *Call) (reply, error) {
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

// deleteWebhook answers DELETE /public/v1/webhook-subscriptions/{id}.
func (w *Workspace) deleteWebhook(c *Call) (reply, error) {
	if !w.webhooks.remove(c.vars["id"]) {
		return reply{}, NotFound()
	}
	return noContent()
}

// newSharedKey answers PATCH /public/v1/webhook-subscriptions/{id}/shared-key.
func (w *Workspace) newSharedKey(c *Call) (reply, error) {
	hook, err := w.webhooks.get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	hook.SharedKey = w.ids.ID()
	return ok(map[string]string{"shared_key": hook.SharedKey})
}

// listEvents answers GET /public/v1/webhook-events.
func (w *Workspace) listEvents(c *Call) (reply, error) {
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

// eventDetails answers GET /public/v1/webhook-events/{id}.
func (w *Workspace) eventDetails(c *Call) (reply, error) {
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
