package listen_test

import (
	"fmt"

	"pandadoc-auth-proxy/internal/listen"
)

func ExampleParse() {
	for _, text := range []string{"localhost:8080", "0.0.0.0:8080", "unix:/run/pandadoc.sock", "8080"} {
		a, err := listen.Parse(text)
		if err != nil {
			fmt.Printf("%s: %v\n", text, err)
			continue
		}
		fmt.Printf("%s: loopback %v\n", a, a.Loopback())
	}
	// Output:
	// localhost:8080: loopback true
	// 0.0.0.0:8080: loopback false
	// unix:/run/pandadoc.sock: loopback true
	// 8080: not of the form HOST:PORT
}
