package workspace

import "slices"

// input is the kind of request body that an operation accepts.
type input string

const (
	noBody    input = ""
	jsonBody  input = "json"
	fileBody  input = "multipart"
	eitherWay input = "json or multipart"
)

// Operation is one row of the table that is used for routing, docs/emulator.md and the tests.
type Operation struct {
	Number  int    // of PandaDoc's operation; 0 for others
	Method  string // GET includes HEAD
	Path    string // {name} is one segment; "?upload" at the end requires that query key
	Summary string
	Note    string // what differs from the service, for the docs

	body   input
	answer handler
}

// handler answers an operation while the lock is held. The request has been read before.
type handler func(*Workspace, *Call) (Reply, error)

// on returns the answer of an operation on the item that its path names: find returns the item.
func on[T any](find func(*Workspace, *Call) (T, error), answer func(*Workspace, *Call, T) (Reply, error)) handler {
	return func(w *Workspace, c *Call) (Reply, error) {
		item, err := find(w, c)
		if err != nil {
			return Reply{}, err
		}
		return answer(w, c, item)
	}
}

// withBody returns the answer of an operation that takes a JSON body, or JSON beside a file.
func withBody[In any](answer func(*Workspace, *Call, In) (Reply, error)) handler {
	return func(w *Workspace, c *Call) (Reply, error) {
		var in In
		if err := c.decode(&in); err != nil {
			return Reply{}, err
		}
		return answer(w, c, in)
	}
}

// withBodyOn is withBody for an operation on the item that its path names. A body that cannot be read is reported
// before an item that does not exist.
func withBodyOn[T, In any](find func(*Workspace, *Call) (T, error), answer func(*Workspace, *Call, T, In) (Reply, error)) handler {
	return withBody(func(w *Workspace, c *Call, in In) (Reply, error) {
		item, err := find(w, c)
		if err != nil {
			return Reply{}, err
		}
		return answer(w, c, item, in)
	})
}

// Operations is the whole table: PandaDoc's operations except the token endpoint.
func Operations() []Operation {
	return slices.Concat(documentOperations(), documentPartOperations(), contentOperations(), peopleOperations())
}

// documentOperations are the operations on whole documents.
func documentOperations() []Operation {
	return []Operation{
		{Number: 2, Method: "GET", Path: "/public/v1/documents", Summary: "list and filter documents", answer: (*Workspace).listDocuments, Note: "form_id matches nothing"},
		{Number: 3, Method: "POST", Path: "/public/v1/documents", body: eitherWay, Summary: "new document from a template or a public PDF URL (asynchronous)", answer: (*Workspace).createDocument, Note: "a URL is not fetched; takes an uploaded file as well"},
		{Number: 4, Method: "DELETE", Path: "/public/v1/documents", body: jsonBody, Summary: "delete many documents, JSON array body on a DELETE", answer: (*Workspace).deleteDocuments},
		{Number: 5, Method: "POST", Path: "/public/v1/documents?upload", body: fileBody, Summary: "new document from an uploaded file (PDF)", answer: (*Workspace).createFromFile, Note: "the file is hashed and counted, the pages are made up"},
		{Number: 6, Method: "POST", Path: "/public/v1/documents?upload-markdown", body: fileBody, Summary: "new document from an uploaded Markdown file (alpha)", answer: (*Workspace).createFromFile, Note: "the file is hashed and counted, the pages are made up"},
		{Number: 7, Method: "GET", Path: "/public/v1/documents/{id}", Summary: "document status, the fast call to repeat while you wait", answer: on((*Workspace).document, (*Workspace).documentStatus)},
		{Number: 8, Method: "DELETE", Path: "/public/v1/documents/{id}", Summary: "delete one document", answer: on((*Workspace).document, (*Workspace).deleteDocument)},
		{Number: 9, Method: "PATCH", Path: "/public/v1/documents/{id}", body: jsonBody, Summary: "change a draft (fields, tokens, recipients, metadata)", answer: withBodyOn((*Workspace).draft, (*Workspace).updateDocument)},
		{Number: 10, Method: "PATCH", Path: "/public/v1/documents/{document_id}/auto-reminders", body: jsonBody, Summary: "set automatic reminders", answer: on((*Workspace).remindable, (*Workspace).changeReminders)},
		{Number: 11, Method: "GET", Path: "/public/v1/documents/{document_id}/auto-reminders", Summary: "read automatic reminder settings", answer: on((*Workspace).remindable, (*Workspace).autoReminders)},
		{Number: 12, Method: "GET", Path: "/public/v1/documents/{document_id}/auto-reminders/status", Summary: "automatic reminder state per recipient", answer: on((*Workspace).document, (*Workspace).reminderStatus)},
		{Number: 13, Method: "GET", Path: "/public/v1/documents/{document_id}/esign-disclosure", Summary: "e-sign disclosure text of the document", answer: on((*Workspace).document, (*Workspace).disclosure), Note: "a fixed text"},
		{Number: 14, Method: "PATCH", Path: "/public/v1/documents/{id}/status", body: jsonBody, Summary: "set status by hand: 2 completed, 10 paid, 11 expired, 12 declined", answer: withBodyOn((*Workspace).document, (*Workspace).changeStatus)},
		{Number: 15, Method: "PATCH", Path: "/public/v1/documents/{id}/status?upload", body: fileBody, Summary: "the same, attaching a file", answer: withBodyOn((*Workspace).document, (*Workspace).changeStatus)},
		{Number: 16, Method: "POST", Path: "/public/v1/documents/{id}/draft", Summary: "put a document back to draft", answer: on((*Workspace).document, (*Workspace).toDraft)},
		{Number: 17, Method: "GET", Path: "/public/v1/documents/{id}/details", Summary: "full document detail (slow)", answer: on((*Workspace).document, (*Workspace).documentDetails)},
		{Number: 18, Method: "POST", Path: "/public/v1/documents/{id}/send", body: jsonBody, Summary: "send a draft to its recipients", answer: withBodyOn((*Workspace).draftOrConflict, (*Workspace).sendDocument), Note: "nothing is sent"},
		{Number: 19, Method: "POST", Path: "/public/v1/documents/{id}/editing-sessions", body: jsonBody, Summary: "embedded editor session, gives an E-Token", answer: on((*Workspace).draft, (*Workspace).editDocument), Note: "nothing can be edited with it"},
		{Number: 20, Method: "POST", Path: "/public/v1/documents/{id}/session", body: jsonBody, Summary: "embedded signing session for one recipient", answer: withBodyOn((*Workspace).document, (*Workspace).shareDocument), Note: "nothing can be signed with it"},
		{Number: 21, Method: "GET", Path: "/public/v1/documents/{id}/download", Summary: "PDF (or zip) of the document", answer: on((*Workspace).document, (*Workspace).downloadDocument), Note: "a made-up page; first 202, a second later 200"},
		{Number: 22, Method: "GET", Path: "/public/v1/documents/{id}/download-protected", Summary: "sealed PDF of a completed document", answer: (*Workspace).downloadProtected, Note: "always 401, as for every sandbox credential"},
	}
}

// documentPartOperations are the operations on parts of a document.
func documentPartOperations() []Operation {
	return []Operation{
		{Number: 23, Method: "GET", Path: "/public/v1/documents/linked-objects", Summary: "documents linked to a CRM record", answer: (*Workspace).findLinked},
		{Number: 24, Method: "GET", Path: "/public/v1/documents/{id}/linked-objects", Summary: "CRM links of a document", answer: on((*Workspace).document, (*Workspace).listLinked)},
		{Number: 25, Method: "POST", Path: "/public/v1/documents/{id}/linked-objects", body: jsonBody, Summary: "link a CRM record", answer: withBodyOn((*Workspace).document, (*Workspace).addLinked)},
		{Number: 26, Method: "DELETE", Path: "/public/v1/documents/{id}/linked-objects/{linked_object_id}", Summary: "unlink a CRM record", answer: on((*Workspace).document, (*Workspace).deleteLinked)},
		{Number: 27, Method: "GET", Path: "/public/v1/documents/{id}/attachments", Summary: "list attachments", answer: on((*Workspace).document, (*Workspace).listAttachments)},
		{Number: 28, Method: "POST", Path: "/public/v1/documents/{id}/attachments", body: eitherWay, Summary: "attach a file by URL", answer: on((*Workspace).document, (*Workspace).addAttachment), Note: "a URL is not fetched; takes an uploaded file as well"},
		{Number: 29, Method: "POST", Path: "/public/v1/documents/{id}/attachments?upload", body: fileBody, Summary: "attach an uploaded file", answer: on((*Workspace).document, (*Workspace).addAttachment)},
		{Number: 30, Method: "GET", Path: "/public/v1/documents/{id}/attachments/{attachment_id}", Summary: "attachment detail", answer: on((*Workspace).attachment, (*Workspace).attachmentDetails)},
		{Number: 31, Method: "DELETE", Path: "/public/v1/documents/{id}/attachments/{attachment_id}", Summary: "remove an attachment", answer: on((*Workspace).document, (*Workspace).deleteAttachment)},
		{Number: 32, Method: "GET", Path: "/public/v1/documents/{id}/attachments/{attachment_id}/download", Summary: "attachment bytes, any media type", answer: on((*Workspace).attachment, (*Workspace).downloadAttachment), Note: "files of up to 4 MiB are kept"},
		{Number: 33, Method: "GET", Path: "/public/v1/documents/{id}/fields", Summary: "list fields", answer: on((*Workspace).document, (*Workspace).listFields)},
		{Number: 34, Method: "PATCH", Path: "/public/v1/documents/{id}/fields", body: jsonBody, Summary: "assign fields to recipients, bulk", answer: withBody((*Workspace).assignFields)},
		{Number: 35, Method: "POST", Path: "/public/v1/documents/{id}/fields", body: jsonBody, Summary: "add fields", answer: withBody((*Workspace).addFields)},
		{Number: 36, Method: "GET", Path: "/public/v2/documents/{document_id}/audit-trail", Summary: "audit trail of a document", answer: (*Workspace).auditTrail},
		{Number: 37, Method: "GET", Path: "/public/v2/documents/{document_id}/settings", Summary: "read document settings", answer: on((*Workspace).document, (*Workspace).documentSettings)},
		{Number: 38, Method: "PATCH", Path: "/public/v2/documents/{document_id}/settings", body: jsonBody, Summary: "change document settings (language, QES, expiry days)", answer: on((*Workspace).draft, (*Workspace).changeSettings)},
		{Number: 39, Method: "PATCH", Path: "/public/v1/documents/{id}/ownership", body: jsonBody, Summary: "give one document to another member", answer: withBodyOn((*Workspace).document, (*Workspace).giveDocument)},
		{Number: 40, Method: "PATCH", Path: "/public/v1/documents/ownership", body: jsonBody, Summary: "move every document from one member to another", answer: withBody((*Workspace).giveDocuments)},
		{Number: 41, Method: "POST", Path: "/public/v1/documents/{id}/move-to-folder/{folder_id}", Summary: "move to a folder", answer: on((*Workspace).document, (*Workspace).moveDocument)},
		{Number: 42, Method: "POST", Path: "/public/v1/documents/{id}/append-content-library-item", body: jsonBody, Summary: "append a content library item", answer: withBodyOn((*Workspace).draftOrConflict, (*Workspace).appendLibraryItem)},
		{Number: 43, Method: "POST", Path: "/public/v1/documents/{id}/recipients", body: jsonBody, Summary: "add a CC recipient", answer: on((*Workspace).contactOf, (*Workspace).addRecipient), Note: "contacts only, no groups"},
		{Number: 44, Method: "DELETE", Path: "/public/v1/documents/{id}/recipients/{recipient_id}", Summary: "remove a recipient", answer: (*Workspace).deleteRecipient},
		{Number: 45, Method: "PATCH", Path: "/public/v1/documents/{id}/recipients/recipient/{recipient_id}", body: jsonBody, Summary: "edit a recipient or a recipient group", answer: withBody((*Workspace).editRecipient)},
		{Method: "PATCH", Path: "/public/v1/documents/{id}/recipients/{recipient_id}", body: jsonBody, Summary: "edit a recipient, as the Python client does it", answer: withBody((*Workspace).editRecipient)},
		{Number: 46, Method: "POST", Path: "/public/v1/documents/{id}/recipients/{recipient_id}/reassign", body: jsonBody, Summary: "replace the signer", answer: on((*Workspace).contactOf, (*Workspace).reassignRecipient), Note: "contacts only, no groups"},
		{Number: 47, Method: "POST", Path: "/public/v1/documents/{document_id}/send-reminder", body: jsonBody, Summary: "send reminders now", answer: withBodyOn((*Workspace).document, (*Workspace).remind), Note: "nothing is sent"},
		{Number: 48, Method: "GET", Path: "/public/v1/documents/{document_id}/sections", Summary: "list bundle sections", answer: on((*Workspace).document, (*Workspace).listSections)},
		{Number: 49, Method: "POST", Path: "/public/v1/documents/{document_id}/sections/uploads", body: jsonBody, Summary: "add a section from a template or URL (asynchronous)", answer: withBodyOn((*Workspace).draft, (*Workspace).addSection), Note: "a URL is not fetched"},
		{Number: 50, Method: "POST", Path: "/public/v1/documents/{document_id}/sections/uploads?upload", body: fileBody, Summary: "add a section from an uploaded PDF, DOCX or RTF", answer: withBodyOn((*Workspace).draft, (*Workspace).addSection)},
		{Number: 51, Method: "GET", Path: "/public/v1/documents/{document_id}/sections/uploads/{upload_id}", Summary: "progress of a section upload", answer: on((*Workspace).document, (*Workspace).sectionUpload)},
		{Number: 52, Method: "GET", Path: "/public/v1/documents/{document_id}/sections/{section_id}", Summary: "section detail", answer: on((*Workspace).document, (*Workspace).sectionDetails)},
		{Number: 53, Method: "DELETE", Path: "/public/v1/documents/{document_id}/sections/{section_id}", Summary: "delete a section", answer: on((*Workspace).document, (*Workspace).deleteSection)},
		{Number: 54, Method: "POST", Path: "/public/v2/dsv/{document_id}/add-named-items", body: jsonBody, Summary: "add structure-view items (hidden in docs)", answer: withBody((*Workspace).addNamedItems)},
	}
}

// contentOperations are the operations on the library, templates, forms, folders and logs.
func contentOperations() []Operation {
	return []Operation{
		{Number: 55, Method: "GET", Path: "/public/v1/content-library-items", Summary: "list content library items", answer: library().list, Note: "an empty query value is a 400"},
		{Number: 56, Method: "POST", Path: "/public/v1/content-library-items", body: jsonBody, Summary: "new content library item", answer: library().post},
		{Number: 57, Method: "POST", Path: "/public/v1/content-library-items?upload", body: fileBody, Summary: "new content library item from an uploaded file, up to 100 MB", answer: library().post},
		{Number: 58, Method: "GET", Path: "/public/v1/content-library-items/{id}", Summary: "content library item status", answer: library().details},
		{Number: 59, Method: "GET", Path: "/public/v1/content-library-items/{id}/details", Summary: "content library item detail", answer: on(library().find, (*Workspace).libraryDetails)},
		{Number: 60, Method: "GET", Path: "/public/v1/templates", Summary: "list templates", answer: templates().list, Note: "the filters shared and fields are ignored"},
		{Number: 61, Method: "POST", Path: "/public/v1/templates", body: jsonBody, Summary: "new template", answer: templates().post},
		{Number: 62, Method: "POST", Path: "/public/v1/templates?upload", body: fileBody, Summary: "new template from an uploaded file, up to 100 MB", answer: templates().post},
		{Number: 63, Method: "POST", Path: "/public/v1/templates/{id}/duplicate", body: jsonBody, Summary: "copy a template", answer: withBodyOn((*Workspace).template, (*Workspace).copyTemplate)},
		{Number: 64, Method: "GET", Path: "/public/v1/templates/{id}/details", Summary: "template detail", answer: on((*Workspace).template, (*Workspace).templateDetails)},
		{Number: 65, Method: "DELETE", Path: "/public/v1/templates/{id}", Summary: "delete a template", answer: on((*Workspace).template, (*Workspace).deleteTemplate)},
		{Number: 66, Method: "GET", Path: "/public/v1/templates/{id}", Summary: "template status", answer: on((*Workspace).template, (*Workspace).templateStatus)},
		{Number: 67, Method: "PATCH", Path: "/public/v1/templates/{id}", body: jsonBody, Summary: "change a template", answer: withBodyOn((*Workspace).template, (*Workspace).changeTemplate)},
		{Number: 68, Method: "POST", Path: "/public/v1/templates/{id}/editing-sessions", body: jsonBody, Summary: "embedded editor session for a template", answer: on((*Workspace).template, (*Workspace).editTemplate), Note: "nothing can be edited with it"},
		{Number: 69, Method: "GET", Path: "/public/v2/templates/{template_id}/settings", Summary: "read template settings", answer: on((*Workspace).template, (*Workspace).templateSettings)},
		{Number: 70, Method: "PATCH", Path: "/public/v2/templates/{template_id}/settings", body: jsonBody, Summary: "change template settings (language)", answer: on((*Workspace).template, (*Workspace).changeTemplateSettings)},
		{Number: 71, Method: "GET", Path: "/public/v1/forms", Summary: "list forms", answer: (*Workspace).listForms},
		{Number: 72, Method: "GET", Path: "/public/v1/documents/folders", Summary: "list document folders", answer: documentFolders().list},
		{Number: 73, Method: "POST", Path: "/public/v1/documents/folders", body: jsonBody, Summary: "new document folder", answer: documentFolders().post},
		{Number: 74, Method: "PUT", Path: "/public/v1/documents/folders/{id}", body: jsonBody, Summary: "rename a document folder", answer: documentFolders().patch},
		{Number: 75, Method: "GET", Path: "/public/v1/templates/folders", Summary: "list template folders", answer: templateFolders().list},
		{Number: 76, Method: "POST", Path: "/public/v1/templates/folders", body: jsonBody, Summary: "new template folder", answer: templateFolders().post},
		{Number: 77, Method: "PUT", Path: "/public/v1/templates/folders/{id}", body: jsonBody, Summary: "rename a template folder", answer: templateFolders().patch},
		{Number: 78, Method: "GET", Path: "/public/v1/logs", Summary: "API call log (deprecated)", answer: (*Workspace).listLogs, Note: "has the requests that this emulator got"},
		{Number: 79, Method: "GET", Path: "/public/v1/logs/{id}", Summary: "one API call log entry (deprecated)", answer: (*Workspace).logDetails, Note: "bodies are empty"},
		{Number: 80, Method: "GET", Path: "/public/v2/logs", Summary: "API call log, current version", answer: (*Workspace).listLogs, Note: "has the requests that this emulator got"},
		{Number: 81, Method: "GET", Path: "/public/v2/logs/{id}", Summary: "one API call log entry: bodies, token type, key, request id", answer: (*Workspace).logDetails, Note: "bodies are empty"},
	}
}

// peopleOperations are the operations on contacts, members, webhooks and everything else.
func peopleOperations() []Operation {
	return []Operation{
		{Number: 82, Method: "GET", Path: "/public/v1/contacts", Summary: "list contacts (the filter email compares the whole address)", answer: contacts().list},
		{Number: 83, Method: "POST", Path: "/public/v1/contacts", body: jsonBody, Summary: "new contact", answer: contacts().post},
		{Number: 84, Method: "GET", Path: "/public/v1/contacts/{id}", Summary: "contact detail", answer: contacts().details},
		{Number: 85, Method: "DELETE", Path: "/public/v1/contacts/{id}", Summary: "delete a contact", answer: contacts().remove},
		{Number: 86, Method: "PATCH", Path: "/public/v1/contacts/{id}", body: jsonBody, Summary: "change a contact", answer: contacts().patch},
		{Number: 87, Method: "GET", Path: "/public/v1/members", Summary: "members of the token's workspace", answer: (*Workspace).listMembers},
		{Number: 88, Method: "GET", Path: "/public/v1/members/current", Summary: "whose token it is: the simplest check of a token", answer: (*Workspace).currentMember},
		{Number: 89, Method: "GET", Path: "/public/v1/members/{id}", Summary: "member detail", answer: on((*Workspace).memberOf, (*Workspace).memberDetails)},
		{Number: 90, Method: "POST", Path: "/public/v1/members/{member_id}/token", body: jsonBody, Summary: "create a token for a member", answer: withBodyOn((*Workspace).memberOf, (*Workspace).memberToken), Note: "nothing accepts the token"},
		{Number: 91, Method: "GET", Path: "/public/v1/webhook-subscriptions", Summary: "list webhook subscriptions (under the key items)", answer: webhooks().list},
		{Number: 92, Method: "POST", Path: "/public/v1/webhook-subscriptions", body: jsonBody, Summary: "new webhook subscription (the answer contains shared_key)", answer: webhooks().post, Note: "events are noted, never delivered"},
		{Number: 93, Method: "GET", Path: "/public/v1/webhook-subscriptions/{id}", Summary: "webhook subscription detail (the answer contains shared_key)", answer: webhooks().details},
		{Number: 94, Method: "PATCH", Path: "/public/v1/webhook-subscriptions/{id}", body: jsonBody, Summary: "change a webhook subscription", answer: webhooks().patch},
		{Number: 95, Method: "DELETE", Path: "/public/v1/webhook-subscriptions/{id}", Summary: "delete a webhook subscription", answer: webhooks().remove},
		{Number: 96, Method: "PATCH", Path: "/public/v1/webhook-subscriptions/{id}/shared-key", Summary: "new shared key for a subscription (response is a secret)", answer: on(webhooks().find, (*Workspace).newSharedKey)},
		{Number: 97, Method: "GET", Path: "/public/v1/webhook-events", Summary: "webhook delivery history (15 days)", answer: events().list, Note: "events are noted, never delivered"},
		{Number: 98, Method: "GET", Path: "/public/v1/webhook-events/{id}", Summary: "one webhook delivery", answer: events().details},
		{Number: 99, Method: "GET", Path: "/public/v2/notary/notaries", Summary: "list notaries", answer: (*Workspace).listNotaries, Note: "one made-up notary"},
		{Number: 100, Method: "GET", Path: "/public/v2/notary/notarization-requests", Summary: "list notarization requests", answer: notarizations().list},
		{Number: 101, Method: "POST", Path: "/public/v2/notary/notarization-requests", body: jsonBody, Summary: "new notarization request", answer: notarizations().post, Note: "no session takes place"},
		{Number: 102, Method: "GET", Path: "/public/v2/notary/notarization-requests/{session_request_id}", Summary: "notarization request detail, with download links", answer: notarizations().details},
		{Number: 103, Method: "DELETE", Path: "/public/v2/notary/notarization-requests/{session_request_id}", Summary: "delete a notarization request", answer: notarizations().remove},
		{Number: 104, Method: "GET", Path: "/public/v2/product-catalog/items/search", Summary: "search the product catalogue", answer: products().list, Note: "the filters billing_types and no_category and the order are ignored"},
		{Number: 105, Method: "POST", Path: "/public/v2/product-catalog/items", body: jsonBody, Summary: "new catalogue item", answer: products().post},
		{Number: 106, Method: "GET", Path: "/public/v2/product-catalog/items/{item_uuid}", Summary: "catalogue item detail", answer: products().details},
		{Number: 107, Method: "PATCH", Path: "/public/v2/product-catalog/items/{item_uuid}", body: jsonBody, Summary: "change a catalogue item", answer: products().patch},
		{Number: 108, Method: "DELETE", Path: "/public/v2/product-catalog/items/{item_uuid}", Summary: "delete a catalogue item (200, empty body)", answer: products().remove},
		{Number: 109, Method: "PUT", Path: "/public/v1/documents/{document_id}/quotes/{quote_id}", body: jsonBody, Summary: "update a quote inside a document", answer: withBodyOn((*Workspace).draftOrConflict, (*Workspace).updateQuote), Note: "no discounts, fees or taxes"},
		{Number: 110, Method: "GET", Path: "/public/v1/workspaces", Summary: "list workspaces", answer: offices().list},
		{Number: 111, Method: "POST", Path: "/public/v1/workspaces", body: jsonBody, Summary: "new workspace (for organization admins)", answer: offices().post},
		{Number: 112, Method: "POST", Path: "/public/v1/workspaces/{workspace_id}/deactivate", body: jsonBody, Summary: "close a workspace", answer: (*Workspace).closeOffice, Note: "not the workspace that the documents are in"},
		{Number: 113, Method: "GET", Path: "/public/v1/users", Summary: "list users (for organization admins)", answer: users().list, Note: "pages of at most 50"},
		{Number: 114, Method: "POST", Path: "/public/v1/users", body: jsonBody, Summary: "new user (for organization admins)", answer: users().post},
		{Number: 115, Method: "GET", Path: "/public/v1/users/{user_id}", Summary: "user detail (for organization admins)", answer: users().details},
		{Number: 116, Method: "POST", Path: "/public/v1/workspaces/{workspace_id}/members", body: jsonBody, Summary: "add a user to a workspace", answer: withBodyOn(offices().find, (*Workspace).addMember)},
		{Number: 117, Method: "DELETE", Path: "/public/v1/workspaces/{workspace_id}/members/{member_id}", Summary: "remove a member", answer: on((*Workspace).membershipOf, (*Workspace).removeMember)},
		{Number: 118, Method: "PATCH", Path: "/public/v1/workspaces/{workspace_id}/members/{member_id}/role", body: jsonBody, Summary: "change a member's role", answer: withBodyOn((*Workspace).membershipOf, (*Workspace).changeRole), Note: "no roles of your own"},
		{Number: 119, Method: "POST", Path: "/public/v1/workspaces/{workspace_id}/api-keys", body: jsonBody, Summary: "new API key", answer: withBodyOn(offices().find, (*Workspace).newAPIKey), Note: "nothing accepts the key"},
		{Number: 120, Method: "GET", Path: "/public/v1/sms-opt-outs", Summary: "recent SMS opt-outs", answer: (*Workspace).smsOptOuts, Note: "always empty"},
		{Number: 121, Method: "POST", Path: "/public/beta/documents/{document_id}/docx-export-tasks", Summary: "start a DOCX export (asynchronous, up to 300 pages)", answer: on((*Workspace).document, (*Workspace).exportDOCX)},
		{Number: 122, Method: "GET", Path: "/public/beta/documents/{document_id}/docx-export-tasks/{task_id}", Summary: "DOCX export state", answer: on((*Workspace).document, (*Workspace).docxTask), Note: "no file behind the address"},
		{Number: 123, Method: "GET", Path: "/public/beta/documents/{document_id}/summary", Summary: "AI summary (hidden in docs)", answer: (*Workspace).documentSummary, Note: "first 202, a second later 200"},
		{Number: 124, Method: "GET", Path: "/public/beta/documents/{document_id}/content", Summary: "text or Markdown of a document (hidden in docs)", answer: (*Workspace).documentContent, Note: "first 202, a second later 200"},
		{Number: 125, Method: "GET", Path: "/public/beta/documents/{document_id}/ai-metadata", Summary: "AI metadata of a document (hidden in docs)", answer: (*Workspace).documentMetadata, Note: "made-up fields; first 202, a second later 200"},
		{Number: 126, Method: "POST", Path: "/public/beta/documents/ai-metadata", body: jsonBody, Summary: "AI metadata of many documents (hidden in docs)", answer: withBody((*Workspace).manyMetadata), Note: "made-up fields; first pending, a second later there"},
		{Number: 127, Method: "GET", Path: "/public/beta/documents/search", Summary: "natural-language search", answer: (*Workspace).searchDocuments, Note: "by the words of the name"},
	}
}
