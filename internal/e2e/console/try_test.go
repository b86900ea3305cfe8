package console

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// document returns the id of a document that the emulator has, in that status.
func document(t *testing.T, p *program.Process, status string) string {
	t.Helper()
	var list struct{ Results []struct{ ID, Status string } }
	if err := json.Unmarshal(p.Want("/public/v1/documents", 200), &list); err != nil {
		t.Fatal(err)
	}
	for _, d := range list.Results {
		if d.Status == status {
			return d.ID
		}
	}
	t.Fatalf("there is no document with status %s", status)
	return ""
}

// fill types a value into the field of a parameter.
func (b *page) fill(name, value string) {
	b.Helper()
	b.change(fmt.Sprintf(".try-form [name=%q]", name), value)
}

// choose presses that button and takes the first id that the form offers.
func (b *page) choose(button string) string {
	b.Helper()
	b.press(button)
	b.until(`document.querySelector(".choice select")?.options.length > 1`)
	return eval[string](b, `(() => {
		const select = document.querySelector(".choice select");
		select.selectedIndex = 1;
		select.dispatchEvent(new Event("change"));
		return select.value;
	})()`)
}

// send presses "Test request", and in the confirmation the button with that name if it is not empty.
func (b *page) send(confirm string) string {
	b.Helper()
	b.forgetAnswer()
	b.press("Test request")
	if confirm != "" {
		b.until(`document.querySelector("dialog[open]")`)
		b.press(confirm)
		b.until(`!document.querySelector("dialog")`)
	}
	return b.answer()
}

// sendUntilReady sends a request again while the answer is 202.
func (b *page) sendUntilReady() {
	b.Helper()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(waitLimit); time.Now().Before(end); <-again.C {
		if b.send("") == "200 OK" {
			return
		}
	}
	b.Fatal("it does not get ready")
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestGetWithQuery(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/try/2")
	b.fill("count", "3")
	b.fill("status", "2")
	want(t, "status", b.send(""), "200 OK")
	var list struct{ Results []struct{ Status string } }
	if err := json.Unmarshal([]byte(eval[string](b, `document.querySelector(".answer pre").textContent`)), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Results) == 0 || len(list.Results) > 3 || list.Results[0].Status != "document.completed" {
		t.Errorf("got %+v, want at most three completed documents", list)
	}
}

func TestPostJSONWithChosenTemplate(t *testing.T) {
	t.Parallel()
	b, p := newSandbox(t)
	b.open("#/try/3")
	b.press("Test request")
	b.see("Choose a template for the body first")
	id := b.choose("Choose a template")
	b.until(fmt.Sprintf(`document.querySelector("textarea").value.includes(%q)`, id))
	want(t, "cancelled", eval[string](b, `(async () => {
		document.querySelector(".send").click();
		while (!document.querySelector("dialog[open]")) await new Promise(requestAnimationFrame);
		[...document.querySelectorAll("dialog button")].find((e) => e.value === "cancel").click();
		while (document.querySelector("dialog")) await new Promise(requestAnimationFrame);
		return document.querySelector(".answer").textContent;
	})()`), "")
	before := strings.Count(string(p.Want("/public/v1/documents?count=100", 200)), "Proposal for Customer Ltd")
	want(t, "status", b.send("Send the POST"), "201 Created")
	after := strings.Count(string(p.Want("/public/v1/documents?count=100", 200)), "Proposal for Customer Ltd")
	if before != 0 || after != 1 {
		t.Errorf("%d documents before the confirmation and %d after it, want 0 and 1", before, after)
	}
	b.do(chromedp.Evaluate[chromedp.Void](`{
		const area = document.querySelector("textarea");
		area.value = "{";
		area.dispatchEvent(new Event("input", { bubbles: true }));
	}`))
	b.see("This is not JSON")
}

func TestUploadOfAFile(t *testing.T) {
	t.Parallel()
	e := program.Emulate(t)
	p := e.Serve("memory:")
	b := browse(t, p)
	b.open("#/try/5")
	want(t, "sample", b.send("Send the POST"), "201 Created")
	file := filepath.Join(t.TempDir(), "ours.pdf")
	content := append([]byte("%PDF-1.4\n\x00\xff"), make([]byte, 1<<20)...)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.SetUploadFiles(chromedp.CSS("input[type=file]"), []string{file}))
	want(t, "own file", b.send("Send the POST"), "201 Created")
	if n, _ := e.Arrived("/public/v1/documents?upload"); n < int64(len(content)) {
		t.Errorf("%d bytes arrived, want more than %d", n, len(content))
	}
	if err := os.WriteFile(file, make([]byte, 9<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.SetUploadFiles(chromedp.CSS("input[type=file]"), []string{file}))
	b.press("Test request")
	b.press("Send the POST")
	b.see("larger than 8 MB")
}

func TestDownloadOfAPDF(t *testing.T) {
	t.Parallel()
	b, p := newSandbox(t)
	b.open("#/try/21")
	b.fill("id", document(t, p, "document.completed"))
	want(t, "first", b.send(""), "202 Accepted")
	b.see("Not ready yet")
	b.sendUntilReady()
	b.until(`document.querySelector(".answer iframe")?.src.startsWith("blob:")`)
	if got := eval[string](b, `fetch === undefined ? "" : document.querySelector(".answer a[download]").download`); !strings.HasSuffix(got, ".pdf") {
		t.Errorf("it would be saved as %q, want a PDF", got)
	}
}

func TestDeleteAsksFirst(t *testing.T) {
	t.Parallel()
	b, p := newSandbox(t)
	id := document(t, p, "document.draft")
	b.open("#/try/8")
	b.fill("id", id)
	b.press("Test request")
	b.see("no real data changes")
	b.press("Cancel")
	b.until(`!document.querySelector("dialog")`)
	p.Want("/public/v1/documents/"+id, 200)
	want(t, "status", b.send("Send the DELETE"), "204 No content")
	b.see("The answer has no body")
	p.Want("/public/v1/documents/"+id, 404)
}

func TestMissingParameterIsPointedAt(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/try/7")
	b.press("Test request")
	b.see("id is missing")
	b.until(`document.activeElement.name === "id"`)
	b.choose("Choose…")
	want(t, "status", b.send(""), "200 OK")
}

func TestRefreshAndReplayAreShown(t *testing.T) {
	t.Parallel()
	e := program.Emulate(t)
	p := e.Serve("memory:")
	b := browse(t, p)
	b.open("#/try/2")
	want(t, "before", b.send(""), "200 OK")
	b.see("sent once, and the token was accepted")
	e.Expire()
	want(t, "after", b.send(""), "200 OK")
	b.see("The proxy refreshed the token (generation 2 → 3) and repeated the request")
	b.open("#/overview")
	b.see("refreshed and repeated")
}

func TestA401ThatIsNotAboutTheTokenIsExplained(t *testing.T) {
	t.Parallel()
	b, p := newSandbox(t)
	b.open("#/try/22")
	b.fill("id", document(t, p, "document.completed"))
	want(t, "status", b.send(""), "401 Unauthorized")
	b.see("The 401 was not retried: token-good")
	b.see("The token works for other requests")
}

// httpTask is a request as a workflow engine would send it.
type httpTask struct {
	URL, URI, Method, Accept, ContentType string
	Headers                               map[string]string
	Body                                  any
}

// run sends the request of the task to p, as its engine would.
func (h httpTask) run(t *testing.T, address string) (int, string) {
	t.Helper()
	var body io.Reader
	if h.Body != nil {
		data, err := json.Marshal(h.Body)
		if err != nil {
			t.Fatal(err)
		}
		body = strings.NewReader(strings.ReplaceAll(string(data), "$${", "${"))
	}
	r, err := http.NewRequest(h.Method, strings.ReplaceAll(address, "$${", "${"), body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range h.Headers {
		r.Header.Set(name, value)
	}
	if h.ContentType != "" {
		r.Header.Set("Content-Type", h.ContentType)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(data)
}

func TestCopiedTasksCarryTheRequest(t *testing.T) {
	t.Parallel()
	b, p := newSandbox(t)
	b.open("#/try/83")
	b.fill("JSON", `{"email":"task@customer.example","company":"${not.an.expression}"}`)
	var flow struct {
		StartTask string
		Tasks     map[string]struct {
			Type        string
			HTTPRequest httpTask
			Retry       any
			End         bool
		}
	}
	text := b.copied("SimWorkflow")
	if err := json.Unmarshal([]byte(text), &flow); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	task := flow.Tasks[flow.StartTask]
	if task.Type != "Http" || !task.End || task.Retry != nil || task.HTTPRequest.Headers["X-Proxy-Key"] == "" {
		t.Errorf("got %+v, want an HTTP task that ends the workflow, is not retried and has a client key", task)
	}
	rest, ok := strings.CutPrefix(task.HTTPRequest.URL, "https://pandadoc-proxy.example.com/")
	if !ok {
		t.Fatalf("got URL %q, want one at the public address", task.HTTPRequest.URL)
	}
	if status, body := task.HTTPRequest.run(t, p.URL+"/"+rest); status != 201 || !strings.Contains(body, `"${not.an.expression}"`) {
		t.Errorf("SimWorkflow's request: %d %s", status, body)
	}

	b.fill("JSON", `{"email":"task2@customer.example","company":"${not.an.expression}"}`)
	var conductor struct {
		Type, Name, TaskReferenceName string
		InputParameters               httpTask
	}
	text = b.copied("Conductor")
	if err := json.Unmarshal([]byte(text), &conductor); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if conductor.Type != "HTTP" || conductor.Name != "pandadoc_new_contact" || !strings.HasPrefix(conductor.InputParameters.URI, p.URL) {
		t.Errorf("got %+v, want an HTTP task for the proxy", conductor)
	}
	if status, body := conductor.InputParameters.run(t, conductor.InputParameters.URI); status != 201 || !strings.Contains(body, `"${not.an.expression}"`) {
		t.Errorf("Conductor's request: %d %s", status, body)
	}
	b.open("#/try/5")
	b.see("multipart/form-data")
	b.press("Conductor")
	b.see("This task cannot send a file")
}

// A person who searched for "cancel" got a form that completes the document, and code for /documents//status.
func TestAFormDoesNotGuess(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/try/14")
	b.until(form(14))
	body := `document.querySelector(".try-form textarea").value`
	want(t, "status", between(eval[string](b, body), `"status": 11`), "true")
	b.change(`.try-form select[aria-label="Example"]`, "2")
	want(t, "status of another example", between(eval[string](b, body), `"status": 2`), "true")
	for _, tab := range []string{"Node", "Python"} {
		b.copied(tab)
		if marked := eval[string](b, `document.querySelector("#copy-text mark")?.textContent ?? ""`); marked != "{id}" {
			t.Errorf("%s: the missing id is not marked: %q", tab, marked)
		}
	}
}
