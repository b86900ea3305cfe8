package sandbox

// documentOperations are those on documents as a whole.
func documentOperations() []operation {
	return []operation{
		{number: 2, method: "GET", path: "/public/v1/documents", summary: "list and filter documents", answer: (*world).listDocuments, note: "form_id matches nothing"},
		{number: 3, method: "POST", path: "/public/v1/documents", body: jsonBody, summary: "new document from a template or a public PDF URL (asynchronous)", answer: (*world).createDocument, note: "a URL is not fetched"},
		{number: 4, method: "DELETE", path: "/public/v1/documents", body: jsonBody, summary: "delete many documents, JSON array body on a DELETE", answer: (*world).deleteDocuments},
		{number: 5, method: "POST", path: "/public/v1/documents?upload", body: fileBody, summary: "new document from an uploaded file (PDF)", answer: (*world).uploadDocument, note: "the file is hashed and counted, the pages are made up"},
		{number: 6, method: "POST", path: "/public/v1/documents?upload-markdown", body: fileBody, summary: "new document from an uploaded Markdown file (alpha)", answer: (*world).uploadMarkdown, note: "the file is hashed and counted, the pages are made up"},
		{number: 7, method: "GET", path: "/public/v1/documents/{id}", summary: "document status, the light call to poll", answer: (*world).documentStatus},
		{number: 8, method: "DELETE", path: "/public/v1/documents/{id}", summary: "delete one document", answer: (*world).deleteDocument},
		{number: 9, method: "PATCH", path: "/public/v1/documents/{id}", body: jsonBody, summary: "change a draft (fields, tokens, recipients, metadata)", answer: (*world).updateDocument},
		{number: 10, method: "PATCH", path: "/public/v1/documents/{document_id}/auto-reminders", body: jsonBody, summary: "set automatic reminders", answer: (*world).changeReminders},
		{number: 11, method: "GET", path: "/public/v1/documents/{document_id}/auto-reminders", summary: "read automatic reminder settings", answer: (*world).autoReminders},
		{number: 12, method: "GET", path: "/public/v1/documents/{document_id}/auto-reminders/status", summary: "automatic reminder state per recipient", answer: (*world).reminderStatus},
		{number: 13, method: "GET", path: "/public/v1/documents/{document_id}/esign-disclosure", summary: "e-sign disclosure text of the document", answer: (*world).disclosure, note: "a fixed text"},
		{number: 14, method: "PATCH", path: "/public/v1/documents/{id}/status", body: jsonBody, summary: "set status by hand: 2 completed, 10 paid, 11 expired, 12 declined", answer: (*world).changeStatus},
		{number: 15, method: "PATCH", path: "/public/v1/documents/{id}/status?upload", body: fileBody, summary: "the same, attaching a file", answer: (*world).changeStatus},
		{number: 16, method: "POST", path: "/public/v1/documents/{id}/draft", summary: "put a document back to draft", answer: (*world).toDraft},
		{number: 17, method: "GET", path: "/public/v1/documents/{id}/details", summary: "full document detail (heavy)", answer: (*world).documentDetails},
		{number: 18, method: "POST", path: "/public/v1/documents/{id}/send", body: jsonBody, summary: "send a draft to its recipients", answer: (*world).sendDocument, note: "nothing is sent"},
		{number: 19, method: "POST", path: "/public/v1/documents/{id}/editing-sessions", body: jsonBody, summary: "embedded editor session, gives an E-Token", answer: (*world).editDocument, note: "nothing can be edited with it"},
		{number: 20, method: "POST", path: "/public/v1/documents/{id}/session", body: jsonBody, summary: "embedded signing session for one recipient", answer: (*world).shareDocument, note: "nothing can be signed with it"},
		{number: 21, method: "GET", path: "/public/v1/documents/{id}/download", summary: "PDF (or zip) of the document", answer: (*world).downloadDocument, note: "a made-up page; first 202, a second later 200"},
		{number: 22, method: "GET", path: "/public/v1/documents/{id}/download-protected", summary: "sealed PDF of a completed document", answer: (*world).downloadProtected, note: "always 401, as for every sandbox credential"},
	}
}
