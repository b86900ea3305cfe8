package hazards

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"pandadoc-auth-proxy/internal/e2e/browser"
	"pandadoc-auth-proxy/internal/e2e/program"
)

// attacks are what a page can do to a port of this machine. Each returns what it could read. They run as scripts
// of the page, one after the other, each with a time limit.
const attacks = `(async function(proxy) {
	const told = {}
	const soon = p => Promise.race([p, new Promise(no => setTimeout(() => no('nothing'), 3000))])
	const attack = async (name, f) => { try { told[name] = String(await soon(f())) } catch (e) { told[name] = 'refused' } }
	const element = (tag, set) => new Promise(done => {
		const e = document.createElement(tag)
		e.onload = () => done('loaded'); e.onerror = () => done('refused')
		set(e); document.body.append(e)
	})
	const read = async r => r.type + ' ' + r.status + ' ' + await r.text()
	const target = path => proxy + '/public/v1/documents/' + path
	await attack('GET by fetch', async () => read(await fetch(target('fetch'))))
	await attack('GET without CORS', async () => read(await fetch(target('no-cors'), {mode: 'no-cors'})))
	await attack('POST of text', async () => read(await fetch(target('text'), {method: 'POST', body: '{}'})))
	await attack('POST of text without CORS', async () => read(await fetch(target('text-no-cors'), {method: 'POST', mode: 'no-cors', body: '{}'})))
	await attack('POST of JSON', async () => read(await fetch(target('json'), {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'})))
	await attack('DELETE', async () => read(await fetch(target('delete'), {method: 'DELETE'})))
	await attack('fetch with credentials', async () => read(await fetch(target('credentials'), {credentials: 'include'})))
	await attack('beacon', async () => navigator.sendBeacon(target('beacon'), 'x'))
	await attack('image', () => element('img', e => e.src = target('img')))
	await attack('script', () => element('script', e => e.src = target('script')))
	await attack('style sheet', () => element('link', e => { e.rel = 'stylesheet'; e.href = target('style') }))
	await attack('frame', () => element('iframe', e => e.src = target('frame')))
	await attack('sandboxed frame', () => element('iframe', e => { e.sandbox = 'allow-scripts'; e.srcdoc = '<script>fetch("' + target('sandbox') + '", {method: "POST", body: "x"})</scr' + 'ipt>' }))
	await attack('form', () => element('iframe', e => { e.name = 'form'; e.srcdoc = '' }).then(() => new Promise(done => {
		const f = document.createElement('form')
		f.action = target('form'); f.method = 'POST'; f.target = 'form'
		document.getElementsByName('form')[0].onload = () => done('sent')
		document.body.append(f); f.submit()
	})))
	await attack('WebSocket', () => new Promise(done => {
		const s = new WebSocket(target('ws').replace('http', 'ws'))
		s.onopen = () => done('open'); s.onerror = () => done('refused')
	}))
	await attack('event stream', () => new Promise(done => {
		const s = new EventSource(target('events'))
		s.onopen = () => done('open'); s.onerror = () => { s.close(); done('refused') }
	}))
	return JSON.stringify(told)
})`

// visitor is a person with a Chromium that resolves the names of these tests to this machine.
type visitor struct {
	*testing.T
	ctx context.Context
}

func openBrowser(t *testing.T) *visitor {
	t.Helper()
	return &visitor{t, browser.Open(t, chromedp.Flag("host-resolver-rules", "MAP rebind.test 127.0.0.1, MAP evil.test 127.0.0.1, MAP proxy.lan 127.0.0.1")).Context}
}

// open goes to an address, as a person does who types it, and returns the text of the page.
func (b *visitor) open(address string) string {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*waitLimit)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		b.Fatalf("open %s: %v", address, err)
	}
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String(document.documentElement.innerText)"))
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// attack runs every attack in the open page.
func (b *visitor) attack(proxy string) map[string]string {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 3*waitLimit)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](attacks+"("+fmt.Sprintf("%q", proxy)+")", chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatal(err)
	}
	told := map[string]string{}
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		b.Fatal(err)
	}
	return told
}

// secretOfTheAPI is in every answer of the API. No page may read it.
const secretOfTheAPI = "canary-document-of-the-api"

// generousAPI allows every page to read its answers, like an API for browsers.
func generousAPI(t *testing.T) *recorder {
	t.Helper()
	api := newRecorder(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if r.URL.Path == "/sniff" {
			w.Header()["Content-Type"] = nil
		} else {
			w.Header().Set("Content-Type", "application/json")
		}
		io.WriteString(w, "<html><script>document.title='"+secretOfTheAPI+"'</script>"+secretOfTheAPI+"</html>")
	})
	api.Start()
	t.Cleanup(api.Close)
	return api
}

// site serves an empty page under every name.
func site(t *testing.T) (port string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><body>a page</body>")
	}))
	s.Config.SetKeepAlivesEnabled(false) // so that a name can lead elsewhere
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(addr(s.URL))
	return port
}

// rebound is a name whose address changes, as in DNS rebinding: the page comes from one server, and its requests
// go to another.
type rebound struct {
	url string
	to  atomic.Pointer[string]
}

func newRebound(t *testing.T, first string) *rebound {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rebound{url: "http://rebind.test:" + portOf("http://"+l.Addr().String())}
	r.lead(first)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { r.carry(t.Context(), from) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return r
}

func (r *rebound) lead(to string) { r.to.Store(&to) }

func (r *rebound) carry(ctx context.Context, from net.Conn) {
	defer from.Close()
	defer context.AfterFunc(ctx, func() { from.Close() })() // the browser keeps its connections
	request := bufio.NewReader(from)
	if _, err := request.Peek(1); err != nil { // the browser opens some connections in advance
		return
	}
	to, err := net.Dial("tcp", *r.to.Load())
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { to.Close() })()
	go func() {
		io.Copy(to, request)
		to.Close()
	}()
	io.Copy(from, to)
}

func portOf(base string) string {
	_, port, _ := net.SplitHostPort(addr(base))
	return port
}

func TestChromium(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *visitor)
	}{
		{"a page reaches nothing", pageReachesNothing},
		{"a page of an allowed origin is served", allowedPageIsServed},
		{"U5 a page reaches nothing under a LAN name", pageReachesNothingUnderALANName},
		{"U6 an answer does not run", answerDoesNotRun},
		{"A14 what has no type is not run", typelessIsNotRun},
		{"A16 A18 the console cannot be driven", consoleCannotBeDriven},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, &visitor{t, b.ctx}) })
	}
}

func pageReachesNothing(t *testing.T, b *visitor) {
	api := generousAPI(t)
	p := serve(t, api.URL, "--listen", "localhost:0")
	proxy := "http://localhost:" + portOf(p.URL)
	nothing := func(t *testing.T, text string) {
		t.Helper()
		if n := len(api.bytesOnTheWire()); n != 0 || strings.Contains(text, secretOfTheAPI) {
			t.Errorf("%d bytes reached the API: %v; the page has %s", n, api.arrived(), text)
		}
	}
	t.Run("A6 rebound name", func(t *testing.T) {
		if text := b.open("http://rebind.test:" + portOf(p.URL) + "/public/v1/documents"); !strings.Contains(text, "host-not-allowed") {
			t.Errorf("the page shows %s", text)
		}
		nothing(t, "")
	})
	t.Run("A6 page of the rebound name", func(t *testing.T) {
		name := newRebound(t, "127.0.0.1:"+site(t))
		b.open(name.url)
		name.lead(addr(p.URL))
		told := b.attack(name.url) // the page is of the very same origin
		nothing(t, fmt.Sprint(told))
		if !strings.Contains(told["GET by fetch"], "host-not-allowed") {
			t.Errorf("the attack did not get to the proxy: %v", told)
		}
	})
	port := site(t)
	for name, origin := range map[string]string{"A7 A8 A13 another site": "http://evil.test:" + port, "A8 another port of localhost": "http://localhost:" + port} {
		t.Run(name, func(t *testing.T) {
			before := refused(t, p)
			b.open(origin)
			told := b.attack(proxy)
			nothing(t, fmt.Sprint(told))
			for attack, got := range told {
				if strings.HasPrefix(got, "basic") || strings.HasPrefix(got, "cors") || got == "open" {
					t.Errorf("A12 %s: the page got %q", attack, got)
				}
			}
			// The test must also show that the attacks were not stopped by the browser.
			if n := refused(t, p) - before; n < 14 {
				t.Errorf("only %d attacks arrived: %v", n, told)
			}
			t.Logf("%d attacks, %d refused by the proxy, 0 at the API", len(told), refused(t, p)-before)
		})
	}
	t.Run("A8 link on another site", func(t *testing.T) {
		b.open("http://evil.test:" + port)
		ctx, cancel := context.WithTimeout(b.ctx, waitLimit)
		defer cancel()
		before := refused(t, p)
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location = "+fmt.Sprintf("%q", proxy+"/public/v1/documents/link"))); err != nil {
			t.Fatal(err)
		}
		await(t, "the navigation", func() bool { return refused(t, p) > before })
		nothing(t, "")
	})
}

// refused returns how many requests were refused because of their origin.
func refused(t *testing.T, p *program.Process) (n int) {
	t.Helper()
	for line := range strings.Lines(raw(t, addr(p.Admin), get("/metrics", "Connection: close")).body) {
		if value, ok := strings.CutPrefix(line, `pandadoc_proxy_refused_total{code="origin-not-allowed"} `); ok {
			fmt.Sscan(value, &n)
		}
	}
	return n
}

func allowedPageIsServed(t *testing.T, b *visitor) {
	api := generousAPI(t)
	origin := "http://evil.test:" + site(t)
	p := serve(t, api.URL, "--listen", "localhost:0", "--allow-origin", origin)
	b.open(origin)
	told := b.attack("http://localhost:" + portOf(p.URL))
	for _, name := range []string{"GET by fetch", "POST of text", "POST of JSON", "DELETE"} {
		if !strings.HasPrefix(told[name], "cors 200 ") || !strings.Contains(told[name], secretOfTheAPI) {
			t.Errorf("%s: the page got %q, want the answer", name, told[name])
		}
	}
	var reached []string
	for _, seen := range api.arrived() {
		reached = append(reached, seen.Method+" "+seen.Target[strings.LastIndexByte(seen.Target, '/')+1:])
		if seen.Header.Get("Origin") != "" || seen.Header.Get("Referer") != "" || seen.Header.Get("Cookie") != "" {
			t.Errorf("E4 E5: the API saw %v", seen.Header)
		}
	}
	// If a browser sends no Origin, that does not prove that the page is the allowed one.
	for _, never := range []string{"GET img", "GET frame", "GET script", "GET no-cors", "POST sandbox", "OPTIONS json"} {
		if slices.Contains(reached, never) {
			t.Errorf("%s reached the API", never)
		}
	}
	if want := "fetch with credentials"; strings.HasPrefix(told[want], "cors") {
		t.Errorf("%s: the page got %q; credentials of the browser are not allowed", want, told[want])
	}
	t.Logf("reached the API: %q", reached)
}

// A14: an answer of the API without a type is not shown as a page, not even to a person who opens its address.
func typelessIsNotRun(t *testing.T, b *visitor) {
	p := serve(t, generousAPI(t).URL, "--listen", "localhost:0")
	if text := b.open("http://localhost:" + portOf(p.URL) + "/sniff"); !strings.Contains(text, "<script>") {
		t.Errorf("the page shows %q, want the source", text)
	}
	ctx, cancel := context.WithTimeout(b.ctx, waitLimit)
	defer cancel()
	if title, err := chromedp.Run(ctx, chromedp.Title()); err != nil || strings.Contains(title, "canary") {
		t.Errorf("the title is %q, %v", title, err)
	}
}

// A16 A18: other pages cannot put the admin listener's pages into a frame, or control them.
func consoleCannotBeDriven(t *testing.T, b *visitor) {
	api := record(t)
	p := serve(t, api.URL, "--admin-listen", "localhost:0")
	b.open("http://evil.test:" + site(t))
	admin := "http://localhost:" + portOf(p.Admin)
	ctx, cancel := context.WithTimeout(b.ctx, 2*waitLimit)
	defer cancel()
	script := `(async function(admin) {
		const told = {}
		const frame = () => new Promise(done => {
			const e = document.createElement('iframe')
			e.onload = () => { try { done(e.contentDocument ? 'empty' : 'refused') } catch (x) { done('refused') } }
			e.src = admin + '/'; document.body.append(e); setTimeout(() => done('nothing'), 3000)
		})
		told.frame = await frame()
		const post = async (name, o) => { try { const r = await fetch(admin + '/api/v1/accounts/default/logout', o); told[name] = r.type } catch (e) { told[name] = 'refused' } }
		await post('POST', {method: 'POST'})
		await post('POST without CORS', {method: 'POST', mode: 'no-cors', body: 'x'})
		await post('POST with the header', {method: 'POST', headers: {'Pandadoc-Auth-Proxy': '1'}})
		await new Promise(done => { const e = new Image(); e.onload = e.onerror = done; e.src = admin + '/api/v1/accounts/default/logout' })
		try { told.status = (await (await fetch(admin + '/api/v1/status')).text()) } catch (e) { told.status = 'refused' }
		return JSON.stringify(told)
	})`
	told, err := chromedp.Run(ctx, chromedp.Evaluate[string](script+"("+fmt.Sprintf("%q", admin)+")", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(told, `"basic"`) || strings.Contains(told, `"cors"`) || strings.Contains(told, "default") {
		t.Errorf("the page got %s", told)
	}
	if got := raw(t, addr(p.URL), get("/a")); got.StatusCode != 200 {
		t.Errorf("after the attacks a request is answered %d: the account was logged out", got.StatusCode)
	}
	for _, name := range []string{"Content-Security-Policy", "X-Frame-Options"} {
		if got := raw(t, addr(p.Admin), get("/")); got.Header.Get(name) == "" {
			t.Errorf("A16: the console has no %s", name)
		}
	}
}
