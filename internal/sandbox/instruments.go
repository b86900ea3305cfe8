package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"pandadoc-auth-proxy/internal/sandbox/workspace"
)

// PandaDoc does not have the routes below /emulator/. They show what reached the API, and send answers that none
// of PandaDoc's operations sends.

const (
	maxStream = 8 << 30 // bytes
	maxEvents = 100_000
)

// serveEcho answers with what arrived: target, headers (without the credential) and body.
func (e *Emulator) serveEcho(x *exchange) {
	x.readRest()
	size, sha, complete := x.body.sum()
	header := x.r.Header.Clone()
	for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
		for i := range header[name] {
			header[name][i] = "[" + fingerprint(header[name][i]) + "]"
		}
	}
	x.writeJSON(http.StatusOK, map[string]any{
		"method": x.r.Method, "target": x.r.RequestURI, "host": x.r.Host, "proto": x.r.Proto, "headers": header,
		"scheme": x.entry.Scheme, "generation": x.entry.Generation, "content_length": x.r.ContentLength,
		"transfer_encoding": x.r.TransferEncoding, "trailers": x.r.Trailer,
		"body_bytes": size, "body_sha256": sha, "body_complete": complete,
	})
}

// serveStream sends ?bytes= bytes (default 1 MiB) of a fixed pattern, in pieces of 64 KiB with a pause of ?pause=
// after each. It sends a Content-Length unless ?chunked= is given.
func (e *Emulator) serveStream(x *exchange) {
	q := x.r.URL.Query()
	size, err := strconv.ParseInt(cmp.Or(q.Get("bytes"), "1048576"), 10, 64)
	if err != nil || size < 0 || size > maxStream {
		x.writeProblem(workspace.Invalid("bytes", "Use 0 to "+strconv.Itoa(maxStream)+"."))
		return
	}
	pause, err := time.ParseDuration(cmp.Or(q.Get("pause"), "0s"))
	if err != nil || pause < 0 {
		x.writeProblem(workspace.Invalid("pause", "Use a duration such as 10ms."))
		return
	}
	x.w.Header().Set("Content-Type", "application/octet-stream")
	if !q.Has("chunked") {
		x.w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	}
	x.w.WriteHeader(http.StatusOK)
	piece := streamPattern()
	flush := http.NewResponseController(x.w).Flush
	for left := size; left > 0; {
		n, err := x.w.Write(piece[:min(left, int64(len(piece)))])
		if err != nil {
			return
		}
		left -= int64(n)
		if pause > 0 {
			flush()
			sleep(x.r.Context(), pause)
		}
	}
}

// streamPattern is 64 KiB in which every block of eight bytes contains its position.
func streamPattern() []byte {
	piece := make([]byte, 0, 64<<10)
	for i := 0; len(piece) < 64<<10; i++ {
		piece = fmt.Appendf(piece, "%07d\n", i)
	}
	return piece
}

// serveEvents sends ?count= server-sent events (default 10), one every ?interval= (default 100ms).
func (e *Emulator) serveEvents(x *exchange) {
	q := x.r.URL.Query()
	count, err := strconv.Atoi(cmp.Or(q.Get("count"), "10"))
	if err != nil || count < 0 || count > maxEvents {
		x.writeProblem(workspace.Invalid("count", "Use 0 to "+strconv.Itoa(maxEvents)+"."))
		return
	}
	interval, err := time.ParseDuration(cmp.Or(q.Get("interval"), "100ms"))
	if err != nil || interval < 0 {
		x.writeProblem(workspace.Invalid("interval", "Use a duration such as 100ms."))
		return
	}
	x.w.Header().Set("Content-Type", "text/event-stream")
	x.w.Header().Set("Cache-Control", "no-store")
	x.w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(x.w).Flush
	for i := range count {
		data, err := json.Marshal(map[string]any{"n": i + 1, "time": time.Now().UTC().Format(time.RFC3339Nano)})
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(x.w, "id: %d\ndata: %s\n\n", i+1, data); err != nil {
			return
		}
		flush()
		if i+1 < count {
			sleep(x.r.Context(), interval)
		}
	}
}

// serveRoot explains the emulator to a person who opens its address in a browser.
func (e *Emulator) serveRoot(x *exchange) {
	x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(x.w, e.Banner()+"\n")
}
