package spool_test

import (
	"fmt"
	"io"
	"strings"
	"time"

	"pandadoc-auth-proxy/proxy/spool"
)

// conn is a connection without deadlines.
type conn struct{}

func (conn) SetReadDeadline(time.Time) error { return nil }

// A request is refused in the middle of its upload and sent again, whole.
func ExampleSpool() {
	client := strings.NewReader("the body of a request")
	s := spool.New(client, client.Size(), conn{}, spool.Options{
		Memory: 64 << 10, Timeout: time.Minute, Budget: spool.NewBudget(1<<20, 1<<20, func(error) {}),
	})
	defer s.Release()

	first := s.Cursor()
	part := make([]byte, 8)
	io.ReadFull(first, part)
	fmt.Printf("first:  %s\n", part)

	first.Hold()
	if s.Kept() {
		first.Close()
		second, _ := io.ReadAll(s.Cursor())
		fmt.Printf("second: %s\n", second)
	}
	// Output:
	// first:  the body
	// second: the body of a request
}
