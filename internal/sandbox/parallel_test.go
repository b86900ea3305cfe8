package sandbox

import (
	"fmt"
	"testing"
)

// TestManyClientsAtOnce is for the race detector: operations, faults, management and token calls together.
func TestManyClientsAtOnce(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	template := first(t, s.get("/public/v1/templates"))["id"].(string)
	t.Run("clients", func(t *testing.T) { // returns when all of them have ended
		for i := range 8 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				client := *s
				client.t = t
				for n := range 15 {
					client.useDocument(template, fmt.Sprint(i, "-", n))
				}
			})
		}
	})
	if got := len(names(t, s.get("/public/v1/documents?deleted=true&count=100"))); got != 100 {
		t.Errorf("deleted documents on the first page: got %d, want 100", got)
	}
	if got := s.Stats().Statuses[500]; got != 120 {
		t.Errorf("faults met: got %d, want 120", got)
	}
}

// useDocument uses a document from its creation to its end, with some errors on the way.
func (s *service) useDocument(template, name string) {
	t := s.t
	t.Helper()
	made := s.do("POST", "/public/v1/documents", map[string]any{
		"name": name, "template_uuid": template, "recipients": []any{map[string]string{"email": "c" + name + "@customer.example"}},
	})
	path := "/public/v1/documents/" + made.want(t, 201).object(t)["id"].(string)
	s.get(path+"/details").want(t, 200)
	s.get("/public/v1/documents?count=100&order_by=-name").want(t, 200)
	s.get("/public/v2/logs").want(t, 200)
	s.manage("GET", "/history", nil).want(t, 200)
	s.fault(Fault{Route: "GET " + path + "/download", Kind: FaultStatus, Status: 500})
	s.get(path+"/download").want(t, 500)
	s.do("DELETE", path, nil).want(t, 204)
}
