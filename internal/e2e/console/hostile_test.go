package console

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

const markup = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`

// hostileAPI gives answers that no API should give. The parameter q selects the answer for a list of documents.
func hostileAPI(t *testing.T) *httptest.Server {
	t.Helper()
	long := strings.Repeat("long", 5000)
	answers := http.NewServeMux()
	serve := func(pattern, contentType, body string) {
		answers.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			io.WriteString(w, body)
		})
	}
	serve("POST /oauth2/access_token", "application/json", `{"access_token":"hostile-access-token","refresh_token":"hostile-refresh-token","expires_in":3600}`)
	member := asJSON(t, map[string]string{
		"first_name": markup, "last_name": long, "email": "\u202eelpmaxe@moc\x1b[2J", "workspace_name": long,
	})
	answers.HandleFunc("GET /public/v1/members/current", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "-$(touch owned)'")
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, member)
	})
	// Lists of objects to choose from.
	serve("GET /public/v1/templates", "application/json", `{"results":[null,7,"text",[],{"id":{"a":1},"name":[1]},{"id":"good","name":`+asJSON(t, "\u202e\x1b[2J"+markup+long)+`,"status":{}},{"id":"unnamed"},{"id":7,"name":null}]}`)
	serve("GET /public/v1/members", "text/html", "<html>"+markup)
	serve("GET /public/v1/documents/folders", "application/json", `null`)
	serve("GET /public/v1/contacts", "application/json", `{"results":[`+strings.Repeat(`{"id":"x","email":"`+strings.Repeat("e", 300)+`@x.example"},`, 1000)+`{"id":"last","email":"last"}]}`)
	answers.HandleFunc("GET /public/v1/documents", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Query().Get("q") {
		case "big":
			fmt.Fprintf(w, `{"results":[%s]}`, strings.Repeat(`{"name":"`+strings.Repeat("n", 200)+`"},`, 40_000)+`{}`) // more than the 8 MiB that can be shown
		case "one line":
			io.WriteString(w, `"`+strings.Repeat("w", 1<<20)+`"`)
		case "deep":
			io.WriteString(w, strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000))
		case "markup":
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("X-Note", markup)
			w.Header().Set("Content-Disposition", `attachment; filename="../../`+markup+`.html"`)
			io.WriteString(w, markup)
		case "binary":
			w.Write([]byte("\x00\xff\xfe binary"))
		case "headers":
			for i := range 90 {
				w.Header().Set(fmt.Sprintf("X-Long-%d", i), strings.Repeat("v", 300))
			}
			io.WriteString(w, "{}")
		case "false PDF":
			w.Header().Set("Content-Type", "application/pdf")
			io.WriteString(w, "<html>"+markup)
		case "status":
			w.WriteHeader(799)
		case "slow":
			<-r.Context().Done()
		}
	})
	s := httptest.NewServer(answers)
	t.Cleanup(s.Close)
	return s
}

// before runs a proxy that is signed in to an API.
func before(t *testing.T, api string, args ...string) *program.Process {
	t.Helper()
	return program.Start(t, []string{"PANDADOC_CLIENT_ID=id", "PANDADOC_CLIENT_SECRET=canary-secret", "PANDADOC_REFRESH_TOKEN=canary-refresh-token"},
		append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--store", "memory:", "--log-level", "error",
			"--api-url", api, "--token-url", api + "/oauth2/access_token", "--authorize-url", api + "/oauth2/authorize"}, args...)...)
}

// unharmed fails the test if the page ran code from the API, or if the layout is broken.
func (b *page) unharmed(what string) {
	b.Helper()
	if title := eval[string](b, "document.title"); strings.Contains(title, "owned") {
		b.Errorf("%s: the page ran what the API sent", what)
	}
	if found := eval[int](b, `document.querySelectorAll("main script, main img[src=x]").length`); found > 0 {
		b.Errorf("%s: the page made elements of what the API sent", what)
	}
	for _, flaw := range b.flaws("wide") {
		b.Errorf("%s: %s", what, flaw)
	}
}

func TestAHostileAPIHarmsNothing(t *testing.T) {
	t.Parallel()
	p := before(t, hostileAPI(t).URL)
	p.Get("/public/v1/members/current")
	p.Get("/public/v1/" + strings.Repeat("%3Cimg%3E", 800))
	for _, width := range []int64{360, 1280} {
		t.Run(fmt.Sprintf("%d wide", width), func(t *testing.T) {
			t.Parallel()
			b := newBrowser(t, width, 800)
			b.visit(p)
			b.open("#/overview")
			b.until(`document.querySelector(".accounts .person")?.textContent.includes("<img")`)
			b.unharmed("who is signed in")
			b.shoot(t.Name() + " overview")
			b.change("#feed-path", "members/current")
			b.press("passed through")
			b.see(`pandadoc-auth-proxy explain -- '-$(touch owned)'\'''`)

			for _, row := range []struct{ operation, button, shows string }{
				{"2", "Choose a value for template_id", "3 found"},
				{"2", "Choose a value for membership_id", "The list could not be read"},
				{"2", "Choose a value for folder_uuid", "There is none yet"},
				{"2", "Choose a value for contact_id", "200 of 1001"},
			} {
				b.open("#/try/" + row.operation)
				b.until(form(2))
				b.run(`document.querySelectorAll(".try-form details").forEach((e) => e.setAttribute("open", ""))`)
				b.click(fmt.Sprintf(`document.querySelector('[aria-label=%q]')`, row.button))
				b.see(row.shows)
				b.unharmed(row.button)
				if name := eval[string](b, `[...document.querySelectorAll(".choice option")].map((o) => o.textContent).find((t) => t.length > 120 || /[\x00-\x1f\u202e]/.test(t)) ?? ""`); name != "" {
					t.Errorf("%s: offers the name %.200q", row.button, name)
				}
			}
			if width != 360 { // the answers look the same and are slow
				return
			}
			for _, row := range []struct{ q, status, shows string }{
				{"big", "200 OK", "This is only a part"},
				{"one line", "200 OK", "characters are shown"},
				{"deep", "200 OK", ""},
				{"markup", "200 OK", "<img src=x"},
				{"binary", "200 OK", "of application/json"},
				{"headers", "200 OK", "Headers, 9"},
				{"false PDF", "200 OK", "Save as a file"},
				{"status", "799", ""},
			} {
				b.change(`.try-form [name="q"]`, row.q)
				if got := b.send(""); !strings.HasPrefix(got, row.status) {
					t.Errorf("%s: got %q, want %q", row.q, got, row.status)
				}
				b.see(row.shows)
				b.run(`document.querySelectorAll(".answer details").forEach((e) => e.setAttribute("open", ""))`)
				b.unharmed(row.q)
				b.shoot(t.Name() + " " + row.q)
				if n := eval[int](b, `document.querySelector(".answer").textContent.length`); n > 300_000 {
					t.Errorf("%s: %d characters are shown", row.q, n)
				}
			}
		})
	}
}

func TestFiveHundredAccountsStayUsable(t *testing.T) {
	t.Parallel()
	p := program.Start(t, nil, "sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--calm", "--accounts", "500", "--log-level", "error")
	b := browse(t, p)
	b.open("#/overview")
	b.until(`document.querySelectorAll(".accounts tbody tr").length === 20`)
	b.press("Show all 500")
	b.until(`document.querySelectorAll(".accounts tbody tr").length === 500`)
	b.change("#find-account", "account-499")
	b.until(`document.querySelectorAll(".accounts tbody tr").length === 1`)
	b.open("#/try/2")
	b.until(form(2))
	b.change("#try-account", "account-499")
	b.see("/@account-499/public/v1/documents")
	if got := b.send(""); got != "200 OK" {
		t.Errorf("got %q, want 200 OK", got)
	}
	b.open("#/setup")
	b.see("and 494 more")
}

// A person could cancel a request to an API that does not answer only by a reload.
func TestWaitingCanBeStopped(t *testing.T) {
	t.Parallel()
	e := program.Emulate(t)
	b := browse(t, e.Serve("memory:"))
	b.open("#/try/83")
	b.until(form(83))
	e.Manage("POST", "/fault", `{"route":"POST /public/v1/contacts","kind":"delay","delay":"1h"}`, nil)
	b.press("Test request")
	b.press("Send the POST")
	var waiting struct{ Faults []any }
	tick, limit := time.NewTicker(20*time.Millisecond), time.After(waitLimit)
	defer tick.Stop()
	for e.Manage("GET", "/fault", "", &waiting); len(waiting.Faults) > 0; e.Manage("GET", "/fault", "", &waiting) {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("the request did not arrive")
		}
	}
	b.press("Stop waiting")
	b.see("Check whether the request took effect before you send it again.")
	if got := b.send("Send the POST"); got != "201 Created" {
		t.Errorf("after it: got %q, want 201 Created", got)
	}
}

// The name of a new account was lost when something happened to another account.
func TestATypedNameOutlivesChanges(t *testing.T) {
	t.Parallel()
	e := program.Emulate(t)
	p := e.Serve("memory:")
	p.Want("/public/v1/documents", 200)
	b := browse(t, p)
	b.open("#/overview")
	b.press("Connect another account")
	b.until(`document.activeElement.id === "account"`)
	b.change("#account", "sal")
	e.Manage("POST", "/revoke", "", nil)
	p.Want("/public/v1/documents", 502)
	b.run(`document.dispatchEvent(new Event("console:update"))`)
	b.until(`!document.querySelector(".step.done:nth-child(3)")`)
	if got := eval[string](b, `document.activeElement.id + "=" + document.querySelector("#account").value`); got != "account=sal" {
		t.Errorf("got %s, want account=sal", got)
	}
}

// If the user leaves a page while it waits for an answer, nothing of it may remain, and the next page must be
// complete.
func TestReloadsAtAnyMoment(t *testing.T) {
	t.Parallel()
	b, p := newSandbox(t)
	p.Get("/public/v1/documents")
	for where, ready := range map[string]string{"#/overview": overviewReady, "#/try/2": form(2), "#/setup": setupReady} {
		b.open(where)
		for delay := range 5 {
			loaded := eval[string](b, `String(performance.timeOrigin)`)
			b.run(fmt.Sprintf(`setTimeout(() => location.reload(), %d)`, delay*25))
			b.until(fmt.Sprintf(`String(performance.timeOrigin) !== %q`, loaded))
		}
		b.until(ready)
		b.until(`document.getElementById("offline").hidden`)
	}
}

// Addresses are typed, cut by mail programs, or kept from other versions.
func TestOddAddresses(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	for _, row := range []struct{ where, ready string }{
		{"?query=1#/nowhere", overviewReady},
		{"#/try/999", form(2)},
		{"#/__proto__", overviewReady},
		{"#/try/2/%2e%2e/x", form(2)},
		{"#/toString", overviewReady},
		{"#/setup/nothing", setupReady},
		{"#/enter/", overviewReady},
		{"#/try/%00", form(2)},
		{"#/enter/no-such-code", overviewReady},
		{"#/setup", setupReady},
		{"#" + strings.Repeat("/x", 5000), overviewReady},
	} {
		if strings.HasPrefix(row.where, "#") {
			b.run(fmt.Sprintf(`location.hash = %q`, row.where))
		} else {
			b.open(row.where)
		}
		b.until(row.ready)
	}
}

// Two requests of 2 MB, and the form with the second one, do not fit into a tab's storage. The newest was then
// missing in the list.
func TestLargeRequestsStayInTheHistory(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/try/83")
	b.until(form(83))
	for range 2 {
		b.run(`{
			const area = document.querySelector(".try-form textarea");
			area.value = JSON.stringify({ company: "x".repeat(2e6) });
			area.dispatchEvent(new Event("input", { bubbles: true }));
		}`)
		b.send("Send the POST")
		b.until(`document.querySelector(".history li")`)
	}
	b.fill("JSON", `{"email":"small@customer.example"}`)
	if got := b.send("Send the POST"); got != "201 Created" {
		t.Errorf("got %q, want 201 Created", got)
	}
	b.until(`document.querySelector(".history li").textContent.startsWith("201")`)
}

// An id of one account was still offered after another account was chosen.
func TestOffersBelongToTheirAccount(t *testing.T) {
	t.Parallel()
	p := program.Start(t, nil, "sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--calm", "--accounts", "2")
	b := browse(t, p)
	b.open("#/try/7")
	b.until(form(7))
	b.choose("Choose…")
	b.change("#try-account", "account-2")
	b.until(`!document.querySelector(".choice select")`)
}
