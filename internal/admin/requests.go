package admin

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/mux"
)

// Requests is the answer of /api/v1/requests.
type Requests struct {
	Requests []RequestReport `json:"requests"` // the newest first
	Minutes  []Minute        `json:"minutes"`  // the last hour, the oldest first
	InFlight int64           `json:"in_flight"`
}

// shownRequests is how many requests are listed where no limit is asked for.
const shownRequests = 50

func (h *Handler) listRequests(w http.ResponseWriter, r *http.Request) {
	limit := shownRequests
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxRequests {
			writeProblem(w, problem{
				Status: http.StatusBadRequest, Code: "bad-request", Detail: "The limit is not a number that can be used.",
				Hint: "Use 0 to " + strconv.Itoa(maxRequests) + ".",
			})
			return
		}
		limit = n
	}
	answer := Requests{Requests: []RequestReport{}, Minutes: h.requests.hour(time.Now())}
	for _, one := range h.requests.newest(limit) {
		answer.Requests = append(answer.Requests, report(one))
	}
	if h.config.Proxy != nil {
		answer.InFlight = h.config.Proxy.InFlight()
	}
	writeJSON(w, http.StatusOK, answer)
}

func (h *Handler) oneRequest(w http.ResponseWriter, r *http.Request) {
	found, ok := h.requests.find(mux.Vars(r)["id"])
	if !ok {
		writeProblem(w, problem{
			Status: http.StatusNotFound, Code: "unknown-request", Detail: "No request with this id is remembered.",
			Hint: "The id is in the X-Request-Id of the answer and in the log. The last " + strconv.Itoa(maxRequests) +
				" requests since the start of the proxy are remembered.",
		})
		return
	}
	writeJSON(w, http.StatusOK, report(found))
}
