package sandbox

// documentPartOperations are those on what hangs on a document.
func documentPartOperations() []operation {
	return []operation{
		{number: 23, method: "GET", path: "/public/v1/documents/linked-objects", summary: "documents linked to a CRM record", answer: (*world).findLinked},
		{number: 24, method: "GET", path: "/public/v1/documents/{id}/linked-objects", summary: "CRM links of a document", answer: (*world).listLinked},
		{number: 25, method: "POST", path: "/public/v1/documents/{id}/linked-objects", body: jsonBody, summary: "link a CRM record", answer: (*world).addLinked},
		{number: 26, method: "DELETE", path: "/public/v1/documents/{id}/linked-objects/{linked_object_id}", summary: "unlink a CRM record", answer: (*world).deleteLinked},
		{number: 27, method: "GET", path: "/public/v1/documents/{id}/attachments", summary: "list attachments", answer: (*world).listAttachments},
		{number: 28, method: "POST", path: "/public/v1/documents/{id}/attachments", body: eitherWay, summary: "attach a file by URL", answer: (*world).addAttachment, note: "a URL is not fetched"},
		{number: 29, method: "POST", path: "/public/v1/documents/{id}/attachments?upload", body: fileBody, summary: "attach an uploaded file", answer: (*world).addAttachment},
		{number: 30, method: "GET", path: "/public/v1/documents/{id}/attachments/{attachment_id}", summary: "attachment detail", answer: (*world).attachmentDetails},
		{number: 31, method: "DELETE", path: "/public/v1/documents/{id}/attachments/{attachment_id}", summary: "remove an attachment", answer: (*world).deleteAttachment},
		{number: 32, method: "GET", path: "/public/v1/documents/{id}/attachments/{attachment_id}/download", summary: "attachment bytes, any media type", answer: (*world).downloadAttachment, note: "files of up to 4 MiB are kept"},
		{number: 33, method: "GET", path: "/public/v1/documents/{id}/fields", summary: "list fields", answer: (*world).listFields},
		{number: 34, method: "PATCH", path: "/public/v1/documents/{id}/fields", body: jsonBody, summary: "assign fields to recipients, bulk", answer: (*world).assignFields},
		{number: 35, method: "POST", path: "/public/v1/documents/{id}/fields", body: jsonBody, summary: "add fields", answer: (*world).addFields},
		{number: 36, method: "GET", path: "/public/v2/documents/{document_id}/audit-trail", summary: "audit trail of a document", answer: (*world).auditTrail},
		{number: 37, method: "GET", path: "/public/v2/documents/{document_id}/settings", summary: "read document settings", answer: (*world).documentSettings},
		{number: 38, method: "PATCH", path: "/public/v2/documents/{document_id}/settings", body: jsonBody, summary: "change document settings (language, QES, expiry days)", answer: (*world).changeSettings},
		{number: 39, method: "PATCH", path: "/public/v1/documents/{id}/ownership", body: jsonBody, summary: "give one document to another member", answer: (*world).giveDocument},
		{number: 40, method: "PATCH", path: "/public/v1/documents/ownership", body: jsonBody, summary: "move every document from one member to another", answer: (*world).giveDocuments},
		{number: 41, method: "POST", path: "/public/v1/documents/{id}/move-to-folder/{folder_id}", summary: "move to a folder", answer: (*world).moveDocument},
		{number: 42, method: "POST", path: "/public/v1/documents/{id}/append-content-library-item", body: jsonBody, summary: "append a content library item", answer: (*world).appendLibraryItem},
		{number: 43, method: "POST", path: "/public/v1/documents/{id}/recipients", body: jsonBody, summary: "add a CC recipient", answer: (*world).addRecipient, note: "contacts only, no groups"},
		{number: 44, method: "DELETE", path: "/public/v1/documents/{id}/recipients/{recipient_id}", summary: "remove a recipient", answer: (*world).deleteRecipient},
		{number: 45, method: "PATCH", path: "/public/v1/documents/{id}/recipients/recipient/{recipient_id}", body: jsonBody, summary: "edit a recipient or a recipient group", answer: (*world).editRecipient},
		{number: 46, method: "POST", path: "/public/v1/documents/{id}/recipients/{recipient_id}/reassign", body: jsonBody, summary: "replace the signer", answer: (*world).reassignRecipient},
		{number: 47, method: "POST", path: "/public/v1/documents/{document_id}/send-reminder", body: jsonBody, summary: "send reminders now", answer: (*world).remind, note: "nothing is sent"},
		{number: 48, method: "GET", path: "/public/v1/documents/{document_id}/sections", summary: "list bundle sections", answer: (*world).listSections},
		{number: 49, method: "POST", path: "/public/v1/documents/{document_id}/sections/uploads", body: jsonBody, summary: "add a section from a template or URL (asynchronous)", answer: (*world).addSection, note: "a URL is not fetched"},
		{number: 50, method: "POST", path: "/public/v1/documents/{document_id}/sections/uploads?upload", body: fileBody, summary: "add a section from an uploaded PDF, DOCX or RTF (spec labels the 201 multipart)", answer: (*world).addSection},
		{number: 51, method: "GET", path: "/public/v1/documents/{document_id}/sections/uploads/{upload_id}", summary: "progress of a section upload", answer: (*world).sectionUpload},
		{number: 52, method: "GET", path: "/public/v1/documents/{document_id}/sections/{section_id}", summary: "section detail", answer: (*world).sectionDetails},
		{number: 53, method: "DELETE", path: "/public/v1/documents/{document_id}/sections/{section_id}", summary: "delete a section", answer: (*world).deleteSection},
		{number: 54, method: "POST", path: "/public/v2/dsv/{document_id}/add-named-items", body: jsonBody, summary: "add structure-view items (hidden in docs)"},
	}
}
