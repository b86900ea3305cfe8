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

func triggerNames() []string {
	return []string{
		"recipient_completed", "document_updated", "document_deleted", "document_state_changed",
		"document_creation_failed", "document_completed_pdf_ready", "document_section_added", "quote_updated",
		"template_created", "template_updated", "template_deleted", "content_library_item_created", "content_library_item_creation_failed",
	}
}

// webhooks serves /public/v1/webhook-subscriptions and /public/v1/webhook-subscriptions/{id}.
func webhooks() resource[webhook] {
	return resource[webhook]{
		in:  func(w *Workspace) *collection[webhook] { return &w.webhooks },
		key: "id",
		create: func(w *Workspace, c *Call) (string, *webhook, error) {
			if len(w.webhooks.order) >= maxWebhooks {
				return "", nil, malformed("At most " + strconv.Itoa(maxWebhooks) + " subscriptions are allowed.")
			}
			made := &webhook{UUID: w.uuid(), WorkspaceID: w.home, SharedKey: w.ids.ID(), Active: true}
			return made.UUID, made, made.read(c)
		},
		change: func(_ *Workspace, c *Call, hook *webhook) error { return hook.read(c) },
		page:   func(_ *Call, all []any) any { return map[string]any{"items": all} },
	}
}

// read copies the request into the webhook, except values that the service sets itself.
func (h *webhook) read(c *Call) error {
	changed := *h
	if err := amend(c, &changed); err != nil {
		return err
	}
	changed.UUID, changed.WorkspaceID, changed.SharedKey = h.UUID, h.WorkspaceID, h.SharedKey
	if changed.Status = "ACTIVE"; !changed.Active {
		changed.Status = "INACTIVE"
	}
	changed.Payload = nonNil(changed.Payload)
	u, err := url.Parse(changed.URL)
	switch {
	case changed.Name == "":
		return Invalid("name", "This field is required.")
	case err != nil || u.Scheme != "https" || u.Host == "":
		return Invalid("url", "Enter a valid https URL.")
	case len(changed.Triggers) == 0:
		return Invalid("triggers", "This field is required.")
	}
	for _, t := range changed.Triggers {
		if !slices.Contains(triggerNames(), t) {
			return Invalid("triggers", Bounded(t, 60)+" is not a valid choice.")
		}
	}
	for _, p := range changed.Payload {
		if !slices.Contains([]string{"metadata", "fields", "products", "tokens", "pricing"}, p) {
			return Invalid("payload", Bounded(p, 60)+" is not a valid choice.")
		}
	}
	*h = changed
	return nil
}

// newSharedKey answers PATCH /public/v1/webhook-subscriptions/{id}/shared-key.
func (w *Workspace) newSharedKey(_ *Call, hook *webhook) (Reply, error) {
	hook.SharedKey = w.ids.ID()
	return ok(map[string]string{"shared_key": hook.SharedKey})
}

// webhookEvent is an event that the service would deliver. Its error says that nothing was delivered.
type webhookEvent struct {
	UUID           string `json:"uuid"`
	Name           string `json:"name"`
	Type           string `json:"type"`
	HTTPStatusCode *int   `json:"http_status_code"`
	Error          string `json:"error"`
	DeliveryTime   stamp  `json:"delivery_time"`

	url, body, signature string
}

// notify notes an event for every subscription to it. data is the object that the event is about.
func (w *Workspace) notify(trigger string, data any, now time.Time) {
	for _, hook := range w.webhooks.all() {
		if !hook.Active || !slices.Contains(hook.Triggers, trigger) {
			continue
		}
		body, err := json.Marshal([]any{map[string]any{"event": trigger, "data": data}})
		if err != nil {
			continue
		}
		e := &webhookEvent{
			UUID: w.uuid(), Name: hook.Name, Type: trigger, Error: "INTERNAL_ERROR",
			DeliveryTime: stamp(now), url: hook.URL, body: string(body), signature: w.ids.Hex(64),
		}
		w.events.put(e.UUID, e, int64(len(body))+512)
	}
}

// events serves /public/v1/webhook-events and /public/v1/webhook-events/{id}.
func events() resource[webhookEvent] {
	return resource[webhookEvent]{
		in:  func(w *Workspace) *collection[webhookEvent] { return &w.events },
		key: "id",
		show: func(_ *Workspace, e *webhookEvent) any {
			return struct {
				*webhookEvent
				URL             string  `json:"url"`
				RequestBody     string  `json:"request_body"`
				EventTime       stamp   `json:"event_time"`
				Signature       string  `json:"signature"`
				ResponseBody    *string `json:"response_body"`
				ResponseHeaders *string `json:"response_headers"`
			}{webhookEvent: e, URL: e.url, RequestBody: e.body, EventTime: e.DeliveryTime, Signature: e.signature}
		},
		brief: func(_ *Workspace, e *webhookEvent) any { return e },
		filter: func(c *Call) filter[webhookEvent] {
			delivered := c.period("since", "to")
			return func(e *webhookEvent) bool {
				return fits(c.query["type"], e.Type) && fits(c.query["error"], e.Error) && delivered(e.DeliveryTime.time()) &&
					c.allows("http_status_code", "") // no delivery was answered
			}
		},
		page: func(c *Call, all []any) any {
			from, to := c.pages(50, 100)
			slices.Reverse(all) // newest first
			return map[string]any{"items": window(all, from, to)}
		},
	}
}
