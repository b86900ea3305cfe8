package sandbox

import (
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strconv"
)

// countedBody hashes and counts a request's body while it is read. It keeps none of it.
type countedBody struct {
	io.ReadCloser
	hash hash.Hash
	read int64
	end  bool
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.hash.Write(p[:n])
	b.read += int64(n)
	b.end = b.end || err == io.EOF
	return n, err
}

// discard reads up to most bytes.
func (b *countedBody) discard(most int64) { io.Copy(io.Discard, io.LimitReader(b, most)) }

func (b *countedBody) sum() (read int64, sha string, complete bool) {
	return b.read, hex.EncodeToString(b.hash.Sum(nil)), b.end
}

// answerWriter notes the status of an answer, and changes the answer for a fault.
type answerWriter struct {
	http.ResponseWriter
	status int    // 0 until something was sent
	begins func() // called before the first byte is sent

	swallow bool  // nothing is sent
	cut     bool  // the connection ends in the middle of the body
	left    int64 // bytes until then
}

// Unwrap serves http.ResponseController.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *answerWriter) WriteHeader(status int) {
	if w.swallow {
		return
	}
	w.status = status
	w.begins()
	w.left = 512 // if the length is unknown
	if n, err := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64); err == nil {
		w.left = n / 2
	}
	w.ResponseWriter.WriteHeader(status)
}

// startOver discards a swallowed answer, so that another can be written.
func (w *answerWriter) startOver() {
	w.swallow = false
	for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Type", "Content-Disposition", "Vary", "Location"} {
		w.Header().Del(name)
	}
}

func (w *answerWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.swallow:
		return len(p), nil
	case !w.cut:
		return w.ResponseWriter.Write(p)
	}
	n := min(w.left, int64(len(p)))
	w.ResponseWriter.Write(p[:n])
	w.left -= n
	if w.left > 0 {
		return int(n), nil
	}
	http.NewResponseController(w.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}
