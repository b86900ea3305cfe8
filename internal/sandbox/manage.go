package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
)

// Manage serves the management address: the history, and the faults. It requires no credentials, so it serves
// loopback names only and refuses web pages of other origins.
func (e *Emulator) Manage() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, e.Banner()+"\nGET /history /stats /fault; POST /clear /expire /revoke /fault; DELETE /fault\n")
	})
	mux.HandleFunc("GET /history", func(w http.ResponseWriter, _ *http.Request) {
		writeManage(w, http.StatusOK, map[string]any{"entries": e.History(), "stats": e.Stats()})
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		writeManage(w, http.StatusOK, e.Stats())
	})
	mux.HandleFunc("POST /clear", manageAction(e.Clear))
	mux.HandleFunc("POST /expire", manageAction(e.Expire))
	mux.HandleFunc("POST /revoke", manageAction(e.Revoke))
	mux.HandleFunc("GET /fault", func(w http.ResponseWriter, _ *http.Request) {
		writeManage(w, http.StatusOK, map[string]any{"faults": e.Faults()})
	})
	mux.HandleFunc("DELETE /fault", manageAction(e.faults.clear))
	mux.HandleFunc("POST /fault", e.postFault)
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(EmulatorHeader, emulatorValue)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !loopbackHost(r.Host) {
			writeManage(w, http.StatusForbidden, map[string]string{"error": "this address answers to loopback names only"})
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// postFault sets one fault, or a list of them.
func (e *Emulator) postFault(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		writeManage(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	var list []Fault
	if err := json.Unmarshal(body, &list); err != nil {
		list = make([]Fault, 1)
		if err := json.Unmarshal(body, &list[0]); err != nil {
			writeManage(w, http.StatusBadRequest, map[string]string{"error": "not a fault: " + err.Error()})
			return
		}
	}
	var errs []error
	for _, f := range list {
		errs = append(errs, e.AddFault(f))
	}
	if err := errors.Join(errs...); err != nil {
		writeManage(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	writeManage(w, http.StatusCreated, map[string]any{"faults": e.Faults()})
}

func manageAction(do func()) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		do()
		w.WriteHeader(http.StatusNoContent)
	}
}

func writeManage(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(v)
}

// loopbackHost refuses pages whose own host name resolves to this machine (DNS rebinding).
func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return isLoopback(host)
}
