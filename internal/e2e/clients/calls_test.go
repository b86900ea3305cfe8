package clients

// call is one request of an operation. Path variables and {names} in bodies are replaced by values from earlier
// answers. "draft" and "sent" are replaced by a new document in that state each time.
type call struct {
	method, path string
	in           map[string]string // variable of the path: name
	query        string
	body         string            // JSON; empty if the examples of the specification are enough
	file         string            // content of a file in a multipart body, with body as its part "data"
	set          map[string]string // key in the specification's examples: name of the value to use there
	example      string            // only this example of the specification
	status       int               // zero means the specification's success
	save         string            // "name=key.key" keeps a value of the answer under name
}

type in = map[string]string

// calls call every operation, each after the operations that create what it needs.
func calls() []call {
	doc, sent := in{"id": "draft"}, in{"id": "sent"}
	docID, sentID := in{"document_id": "draft"}, in{"document_id": "sent"}
	return []call{
		{method: "GET", path: "/public/v1/members/current", save: "me=membership_id"},
		{method: "GET", path: "/public/v1/members/current", save: "user=user_id"},
		{method: "GET", path: "/public/v1/members/current", save: "workspace=workspace"},
		{method: "GET", path: "/public/v1/members", save: "member=results.1.membership_id"},
		{method: "GET", path: "/public/v1/members/{id}", in: in{"id": "member"}},
		{method: "POST", path: "/public/v1/members/{member_id}/token", in: in{"member_id": "member"}, body: `{"lifetime":60}`},

		{method: "POST", path: "/public/v1/documents/folders", save: "folder=uuid"},
		{method: "GET", path: "/public/v1/documents/folders"},
		{method: "PUT", path: "/public/v1/documents/folders/{id}", in: in{"id": "folder"}},
		{method: "POST", path: "/public/v1/templates/folders", save: "tfolder=uuid"},
		{method: "GET", path: "/public/v1/templates/folders"},
		{method: "PUT", path: "/public/v1/templates/folders/{id}", in: in{"id": "tfolder"}},

		{method: "GET", path: "/public/v1/templates", query: "count=1", save: "template=results.0.id"},
		{method: "GET", path: "/public/v1/templates/{id}", in: in{"id": "template"}},
		{method: "GET", path: "/public/v1/templates/{id}/details", in: in{"id": "template"}, save: "role=roles.0.id"},
		{method: "GET", path: "/public/v2/templates/{template_id}/settings", in: in{"template_id": "template"}},
		{method: "PATCH", path: "/public/v2/templates/{template_id}/settings", in: in{"template_id": "template"}},
		{method: "POST", path: "/public/v1/templates", set: in{"folder_uuid": "tfolder"}, save: "mine=id"},
		{method: "POST", path: "/public/v1/templates?upload", file: "%PDF-1.4", body: `{"name":"Uploaded"}`},
		{method: "POST", path: "/public/v1/templates/{id}/duplicate", in: in{"id": "mine"}},
		{method: "PATCH", path: "/public/v1/templates/{id}", in: in{"id": "mine"}},
		{method: "GET", path: "/public/v1/templates/{id}/details", in: in{"id": "mine"}},
		{method: "POST", path: "/public/v1/templates/{id}/editing-sessions", in: in{"id": "mine"}},
		{method: "DELETE", path: "/public/v1/templates/{id}", in: in{"id": "mine"}},
		{method: "GET", path: "/public/v1/forms"},

		{method: "POST", path: "/public/v1/content-library-items", save: "item=id"},
		{method: "POST", path: "/public/v1/content-library-items?upload", file: "%PDF-1.4", body: `{"name":"Sample CLI"}`},
		{method: "GET", path: "/public/v1/content-library-items"},
		{method: "GET", path: "/public/v1/content-library-items/{id}", in: in{"id": "item"}},
		{method: "GET", path: "/public/v1/content-library-items/{id}/details", in: in{"id": "item"}},

		{method: "POST", path: "/public/v1/contacts", save: "contact=id"},
		{method: "GET", path: "/public/v1/contacts", query: "email=user01@pandadoc.com"},
		{method: "GET", path: "/public/v1/contacts/{id}", in: in{"id": "contact"}},
		{method: "PATCH", path: "/public/v1/contacts/{id}", in: in{"id": "contact"}},

		{method: "POST", path: "/public/v1/webhook-subscriptions", set: in{"url": "hook-url"}, save: "hook=uuid"},
		{method: "GET", path: "/public/v1/webhook-subscriptions"},
		{method: "GET", path: "/public/v1/webhook-subscriptions/{id}", in: in{"id": "hook"}},
		{method: "PATCH", path: "/public/v1/webhook-subscriptions/{id}", in: in{"id": "hook"}},
		{method: "PATCH", path: "/public/v1/webhook-subscriptions/{id}/shared-key", in: in{"id": "hook"}},

		{method: "POST", path: "/public/v1/documents", set: in{"template_uuid": "template", "folder_uuid": "folder"}, save: "full=id"},
		{method: "POST", path: "/public/v1/documents", save: "grouped=id", body: `{"name":"Groups","template_uuid":"{template}","recipients":[{"type":"recipient_group","name":"Buyers",` +
			`"members":[{"email":"one@customer.example"},{"email":"two@customer.example"}]},{"email":"three@customer.example","role":"Client"}]}`},
		{method: "POST", path: "/public/v1/documents", body: `{"name":"From a URL","url":"https://files.example/contract.pdf"}`},
		{method: "POST", path: "/public/v1/documents?upload", file: "%PDF-1.4", body: `{"name":"Uploaded","recipients":[{"email":"kim@customer.example"}]}`},
		{method: "POST", path: "/public/v1/documents?upload-markdown", file: "# Hello", body: `{"name":"Markdown"}`},
		{method: "GET", path: "/public/v1/documents", query: "order_by=-date_sent&status=14"},
		{method: "GET", path: "/public/v1/documents", query: "count=100"},
		{method: "GET", path: "/public/v1/documents/{id}", in: doc},
		{method: "GET", path: "/public/v1/documents/{id}/details", in: in{"id": "full"}},
		{method: "GET", path: "/public/v1/documents/{id}/details", in: in{"id": "grouped"}},
		{method: "GET", path: "/public/v1/documents/{id}/details", in: sent},
		{method: "PATCH", path: "/public/v1/documents/{id}", in: doc, body: `{"name":"Changed","metadata":{"a":"b"},"tags":["x"],"fields":{"Size":{"value":3}},"tokens":[{"name":"Client.Company","value":"Ltd"}]}`},

		{method: "GET", path: "/public/v1/documents/{document_id}/auto-reminders/status", in: docID, status: 400},
		{method: "PATCH", path: "/public/v1/documents/{document_id}/auto-reminders", in: docID},
		{method: "GET", path: "/public/v1/documents/{document_id}/auto-reminders", in: docID},
		{method: "GET", path: "/public/v1/documents/{document_id}/esign-disclosure", in: docID},
		{method: "GET", path: "/public/v2/documents/{document_id}/settings", in: docID},
		{method: "PATCH", path: "/public/v2/documents/{document_id}/settings", in: docID},
		{method: "POST", path: "/public/v1/documents/{id}/editing-sessions", in: doc},

		{method: "GET", path: "/public/v1/documents/{id}/details", in: in{"id": "kept"}, save: "recipient=recipients.0.id"},
		{method: "POST", path: "/public/v1/documents/{id}/fields", in: in{"id": "kept"}, save: "field=fields.0.uuid"},
		{method: "PATCH", path: "/public/v1/documents/{id}/fields", in: in{"id": "kept"}, set: in{"field_id": "field", "assigned_to": "recipient"}},
		{method: "PATCH", path: "/public/v1/documents/{id}/fields", in: in{"id": "kept"}, body: `{"fields":[{"field_id":"{field}","assigned_to":"{recipient}"}]}`},
		{method: "GET", path: "/public/v1/documents/{id}/fields", in: in{"id": "kept"}},
		{method: "GET", path: "/public/v1/documents/{id}/details", in: in{"id": "kept"}, save: "quote=pricing.quotes.0.id"},
		{method: "PUT", path: "/public/v1/documents/{document_id}/quotes/{quote_id}", in: in{"document_id": "kept", "quote_id": "quote"},
			body: `{"currency":"EUR","sections":[{"name":"Services","items":[{"name":"Hour","price":12.5,"qty":4,"options":{"qty_editable":true}}]}]}`},
		{method: "POST", path: "/public/v2/dsv/{document_id}/add-named-items", in: docID},
		{method: "POST", path: "/public/v1/documents/{id}/append-content-library-item", in: doc, body: `{"cli":{"id":"{item}"}}`},
		{method: "POST", path: "/public/v1/documents/{id}/move-to-folder/{folder_id}", in: in{"id": "draft", "folder_id": "folder"}},
		{method: "PATCH", path: "/public/v1/documents/{id}/ownership", in: doc, body: `{"membership_id":"{member}"}`},
		{method: "PATCH", path: "/public/v1/documents/ownership", body: `{"from_membership_id":"{member}","to_membership_id":"{me}"}`},

		{method: "POST", path: "/public/v1/documents/{id}/linked-objects", in: in{"id": "kept"}, save: "link=id"},
		{method: "GET", path: "/public/v1/documents/{id}/linked-objects", in: in{"id": "kept"}},
		{method: "GET", path: "/public/v1/documents/linked-objects", query: "provider=pipedrive&entity_type=deal&entity_id=134"},
		{method: "DELETE", path: "/public/v1/documents/{id}/linked-objects/{linked_object_id}", in: in{"id": "kept", "linked_object_id": "link"}},

		{method: "POST", path: "/public/v1/documents/{id}/attachments", in: in{"id": "kept"}, save: "attachment=uuid"},
		{method: "POST", path: "/public/v1/documents/{id}/attachments?upload", in: in{"id": "kept"}, file: "a file", body: `{}`},
		{method: "GET", path: "/public/v1/documents/{id}/attachments", in: in{"id": "kept"}},
		{method: "GET", path: "/public/v1/documents/{id}/attachments/{attachment_id}", in: in{"id": "kept", "attachment_id": "attachment"}},
		{method: "GET", path: "/public/v1/documents/{id}/attachments/{attachment_id}/download", in: in{"id": "kept", "attachment_id": "attachment"}},
		{method: "DELETE", path: "/public/v1/documents/{id}/attachments/{attachment_id}", in: in{"id": "kept", "attachment_id": "attachment"}},

		{method: "POST", path: "/public/v1/documents/{document_id}/sections/uploads", in: in{"document_id": "kept"}, set: in{"template_uuid": "template"}, save: "upload=uuid"},
		{method: "POST", path: "/public/v1/documents/{document_id}/sections/uploads?upload", in: in{"document_id": "kept"}, file: "%PDF-1.4", body: `{"recipients":[]}`},
		{method: "GET", path: "/public/v1/documents/{document_id}/sections/uploads/{upload_id}", in: in{"document_id": "kept", "upload_id": "upload"}},
		{method: "GET", path: "/public/v1/documents/{document_id}/sections", in: in{"document_id": "kept"}, save: "section=results.0.uuid"},
		{method: "GET", path: "/public/v1/documents/{document_id}/sections/{section_id}", in: in{"document_id": "kept", "section_id": "section"}},
		{method: "DELETE", path: "/public/v1/documents/{document_id}/sections/{section_id}", in: in{"document_id": "kept", "section_id": "section"}},

		{method: "POST", path: "/public/v1/documents/{id}/recipients", in: in{"id": "kept"}, set: in{"id": "contact"}, save: "cc=recipient_id"},
		{method: "PATCH", path: "/public/v1/documents/{id}/recipients/recipient/{recipient_id}", in: in{"id": "kept", "recipient_id": "recipient"}},
		{method: "POST", path: "/public/v1/documents/{id}/recipients/{recipient_id}/reassign", in: in{"id": "kept", "recipient_id": "recipient"}, set: in{"id": "contact"}},
		{method: "DELETE", path: "/public/v1/documents/{id}/recipients/{recipient_id}", in: in{"id": "kept", "recipient_id": "cc"}},

		{method: "POST", path: "/public/v1/documents/{id}/send", in: in{"id": "kept"}, body: `{"message":"Please sign","subject":"Contract","silent":true}`},
		{method: "POST", path: "/public/v1/documents/{id}/send", in: in{"id": "kept"}, body: `{}`, status: 409},
		{method: "PATCH", path: "/public/v1/documents/{document_id}/auto-reminders", in: in{"document_id": "kept"}, example: "Enable Auto Reminders"},
		{method: "GET", path: "/public/v1/documents/{document_id}/auto-reminders/status", in: in{"document_id": "kept"}},
		{method: "POST", path: "/public/v1/documents/{document_id}/send-reminder", in: in{"document_id": "kept"}, set: in{"recipient_id": "recipient"}},
		{method: "POST", path: "/public/v1/documents/{id}/session", in: in{"id": "kept"}, set: in{"recipient": "contact-email"}},
		{method: "GET", path: "/public/v2/documents/{document_id}/audit-trail", in: in{"document_id": "kept"}},
		{method: "POST", path: "/public/v1/documents/{id}/draft", in: in{"id": "kept"}},
		{method: "PATCH", path: "/public/v1/documents/{id}/status", in: sent, example: "Mark as Completed"},
		{method: "PATCH", path: "/public/v1/documents/{id}/status", in: sent, example: "Mark as Expired"},
		{method: "PATCH", path: "/public/v1/documents/{id}/status", in: sent, example: "Mark as Decline"},
		{method: "PATCH", path: "/public/v1/documents/{id}/status", in: doc, example: "Mark as Paid"},
		{method: "PATCH", path: "/public/v1/documents/{id}/status", in: sent, body: `{"status":10}`, status: 409},
		{method: "PATCH", path: "/public/v1/documents/{id}/status?upload", in: sent, file: "%PDF-1.4", body: `{"status":2}`},
		{method: "GET", path: "/public/v1/documents/{id}/download", in: sent, status: 202},
		{method: "GET", path: "/public/v1/documents/{id}/download", in: in{"id": "kept"}},
		{method: "GET", path: "/public/v1/documents/{id}/download-protected", in: in{"id": "kept"}, status: 401},

		{method: "POST", path: "/public/beta/documents/{document_id}/docx-export-tasks", in: in{"document_id": "kept"}, save: "task=id"},
		{method: "GET", path: "/public/beta/documents/{document_id}/docx-export-tasks/{task_id}", in: in{"document_id": "kept", "task_id": "task"}},
		{method: "GET", path: "/public/beta/documents/{document_id}/summary", in: sentID, query: "type=short"},
		{method: "GET", path: "/public/beta/documents/{document_id}/content", in: sentID, query: "format=markdown"},
		{method: "GET", path: "/public/beta/documents/{document_id}/ai-metadata", in: sentID, status: 202},
		{method: "GET", path: "/public/beta/documents/{document_id}/ai-metadata", in: in{"document_id": "kept"}},
		{method: "GET", path: "/public/beta/documents/{document_id}/docx-export-tasks/{task_id}", in: in{"document_id": "kept", "task_id": "task"}},
		{method: "POST", path: "/public/beta/documents/ai-metadata", set: in{"document_ids": "kept"}},
		{method: "POST", path: "/public/beta/documents/ai-metadata", body: `{"document_ids":["unknown","{full}"]}`},
		{method: "GET", path: "/public/beta/documents/search", query: "q=contract+proposal"},

		{method: "GET", path: "/public/v2/notary/notaries", save: "notary=results.0.id"},
		{method: "POST", path: "/public/v2/notary/notarization-requests", set: in{"document_id": "full", "id": "notary"}, save: "request=id"},
		{method: "GET", path: "/public/v2/notary/notarization-requests"},
		{method: "GET", path: "/public/v2/notary/notarization-requests/{session_request_id}", in: in{"session_request_id": "request"}},
		{method: "DELETE", path: "/public/v2/notary/notarization-requests/{session_request_id}", in: in{"session_request_id": "request"}},

		{method: "POST", path: "/public/v2/product-catalog/items", save: "product=uuid"},
		{method: "POST", path: "/public/v2/product-catalog/items", body: `{"title":"Both","type":"bundle","price_configuration":{"currency":"USD","pricing_method":0},"bundle_items":[{"item_or_uuid":"{product}","quantity":2}]}`},
		{method: "GET", path: "/public/v2/product-catalog/items/search", query: "per_page=10"},
		{method: "GET", path: "/public/v2/product-catalog/items/{item_uuid}", in: in{"item_uuid": "product"}},
		{method: "PATCH", path: "/public/v2/product-catalog/items/{item_uuid}", in: in{"item_uuid": "product"}},
		{method: "DELETE", path: "/public/v2/product-catalog/items/{item_uuid}", in: in{"item_uuid": "product"}},

		{method: "POST", path: "/public/v1/workspaces", save: "office=id"},
		{method: "GET", path: "/public/v1/workspaces"},
		{method: "POST", path: "/public/v1/users", set: in{"workspace_id": "workspace"}, save: "newcomer=user_id"},
		{method: "GET", path: "/public/v1/users"},
		{method: "GET", path: "/public/v1/users/{user_id}", in: in{"user_id": "newcomer"}},
		{method: "POST", path: "/public/v1/workspaces/{workspace_id}/members", in: in{"workspace_id": "office"}, set: in{"user_id": "newcomer"}, save: "joined=member_id"},
		{method: "PATCH", path: "/public/v1/workspaces/{workspace_id}/members/{member_id}/role", in: in{"workspace_id": "office", "member_id": "joined"}},
		{method: "DELETE", path: "/public/v1/workspaces/{workspace_id}/members/{member_id}", in: in{"workspace_id": "office", "member_id": "joined"}},
		{method: "POST", path: "/public/v1/workspaces/{workspace_id}/api-keys", in: in{"workspace_id": "office"}, set: in{"user_id": "newcomer"}},
		{method: "POST", path: "/public/v1/workspaces/{workspace_id}/deactivate", in: in{"workspace_id": "office"}},
		{method: "GET", path: "/public/v1/sms-opt-outs"},

		{method: "GET", path: "/public/v1/logs", save: "log=results.0.id"},
		{method: "GET", path: "/public/v1/logs/{id}", in: in{"id": "log"}},
		{method: "GET", path: "/public/v2/logs", query: "count=5"},
		{method: "GET", path: "/public/v2/logs/{id}", in: in{"id": "log"}},
		{method: "GET", path: "/public/v1/webhook-events", query: "count=10&page=1", save: "event=items.0.uuid"},
		{method: "GET", path: "/public/v1/webhook-events/{id}", in: in{"id": "event"}},
		{method: "DELETE", path: "/public/v1/webhook-subscriptions/{id}", in: in{"id": "hook"}},
		{method: "DELETE", path: "/public/v1/contacts/{id}", in: in{"id": "contact"}},
		{method: "DELETE", path: "/public/v1/documents/{id}", in: in{"id": "grouped"}},
		{method: "DELETE", path: "/public/v1/documents", set: in{"id": "full"}},
	}
}

// tolerated are allowed differences between the properties of an answer and the specification, with the reason.
func tolerated() map[string]string {
	return map[string]string{
		".results[].method is not in the specification": "the specification's own examples of logs have it",
		".results[].extra_fields.":                      "the emulator counts no views and extracts nothing",
		".fields[].section_uuid is missing":             "the document has one section only, which has no id",
		".fields[].assigned_to is missing":              "nobody is assigned, and the schema allows no null",
		".fields[].assigned_to.redirect is missing":     "there is none, and the schema allows no null",
		".fields[].layout is missing":                   "fields of a template have no known place here",
		".result[].email_customization is missing":      "none was asked for",
		".result[].sms is missing":                      "none was asked for",
		".docx_items is missing":                        "the export is under way",
	}
}

// refused are the examples of the specification that the emulator refuses, with the reason.
func refused() map[string]string {
	return map[string]string{
		"Assign Custom Role": "the answer's schema has no roles of one's own",
	}
}
