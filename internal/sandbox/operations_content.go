package sandbox

// contentOperations are those on the library, templates, forms, folders and logs.
func contentOperations() []operation {
	return []operation{
		{number: 55, method: "GET", path: "/public/v1/content-library-items", summary: "list content library items", answer: (*world).listLibrary, note: "an empty query value is a 400"},
		{number: 56, method: "POST", path: "/public/v1/content-library-items", body: jsonBody, summary: "new content library item", answer: (*world).createLibraryItem},
		{number: 57, method: "POST", path: "/public/v1/content-library-items?upload", body: fileBody, summary: "new content library item from an uploaded file, up to 100 MB", answer: (*world).createLibraryItem},
		{number: 58, method: "GET", path: "/public/v1/content-library-items/{id}", summary: "content library item status", answer: (*world).libraryStatus},
		{number: 59, method: "GET", path: "/public/v1/content-library-items/{id}/details", summary: "content library item detail", answer: (*world).libraryDetails},
		{number: 60, method: "GET", path: "/public/v1/templates", summary: "list templates", answer: (*world).listTemplates, note: "the filters shared and fields are ignored"},
		{number: 61, method: "POST", path: "/public/v1/templates", body: jsonBody, summary: "new template", answer: (*world).createTemplate},
		{number: 62, method: "POST", path: "/public/v1/templates?upload", body: fileBody, summary: "new template from an uploaded file, up to 100 MB", answer: (*world).createTemplate},
		{number: 63, method: "POST", path: "/public/v1/templates/{id}/duplicate", body: jsonBody, summary: "copy a template", answer: (*world).copyTemplate},
		{number: 64, method: "GET", path: "/public/v1/templates/{id}/details", summary: "template detail", answer: (*world).templateDetails},
		{number: 65, method: "DELETE", path: "/public/v1/templates/{id}", summary: "delete a template", answer: (*world).deleteTemplate},
		{number: 66, method: "GET", path: "/public/v1/templates/{id}", summary: "template status", answer: (*world).templateStatus},
		{number: 67, method: "PATCH", path: "/public/v1/templates/{id}", body: jsonBody, summary: "change a template", answer: (*world).changeTemplate},
		{number: 68, method: "POST", path: "/public/v1/templates/{id}/editing-sessions", body: jsonBody, summary: "embedded editor session for a template", answer: (*world).editTemplate, note: "nothing can be edited with it"},
		{number: 69, method: "GET", path: "/public/v2/templates/{template_id}/settings", summary: "read template settings", answer: (*world).templateSettings},
		{number: 70, method: "PATCH", path: "/public/v2/templates/{template_id}/settings", body: jsonBody, summary: "change template settings (language)", answer: (*world).changeTemplateSettings},
		{number: 71, method: "GET", path: "/public/v1/forms", summary: "list forms", answer: (*world).listForms},
		{number: 72, method: "GET", path: "/public/v1/documents/folders", summary: "list document folders", answer: documentTree().list},
		{number: 73, method: "POST", path: "/public/v1/documents/folders", body: jsonBody, summary: "new document folder", answer: documentTree().create},
		{number: 74, method: "PUT", path: "/public/v1/documents/folders/{id}", body: jsonBody, summary: "rename a document folder", answer: documentTree().rename},
		{number: 75, method: "GET", path: "/public/v1/templates/folders", summary: "list template folders", answer: templateTree().list},
		{number: 76, method: "POST", path: "/public/v1/templates/folders", body: jsonBody, summary: "new template folder", answer: templateTree().create},
		{number: 77, method: "PUT", path: "/public/v1/templates/folders/{id}", body: jsonBody, summary: "rename a template folder", answer: templateTree().rename},
		{number: 78, method: "GET", path: "/public/v1/logs", summary: "API call log (deprecated)", answer: (*world).listLogs, note: "what this emulator was asked"},
		{number: 79, method: "GET", path: "/public/v1/logs/{id}", summary: "one API call log entry (deprecated)", answer: (*world).logDetails, note: "without bodies"},
		{number: 80, method: "GET", path: "/public/v2/logs", summary: "API call log, current version", answer: (*world).listLogs, note: "what this emulator was asked"},
		{number: 81, method: "GET", path: "/public/v2/logs/{id}", summary: "one API call log entry: bodies, token type, key, request id", answer: (*world).logDetails, note: "without bodies"},
	}
}
