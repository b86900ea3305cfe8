package proxy

import (
	"bytes"
	"encoding/hex"
	"net"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// FuzzPathRules compares the rules with a simple form of them: decode until nothing changes, treat all separators as
// slashes, remove parameters, everything after an encoded end, and empty segments, and compare.
func FuzzPathRules(f *testing.F) {
	for _, target := range targets()[:200] {
		f.Add(target)
	}
	for _, s := range []string{"/oauth2/access_token", "/%6fauth2", "/a/%2e%2e;x/b", `/a\..`, "/@x/oauth2", "/a%00", "/%25252e", "//OAUTH2", "/;/oauth2;a/b", "/.%23", "/oauth2%3Fx"} {
		f.Add(s)
	}
	rules := newPathRules(mustURL("https://api.example"), nil)
	f.Fuzz(func(t *testing.T, path string) {
		if len(path) > 200 || len(path) == 0 || path[0] != '/' {
			return
		}
		got := rules.check(path, "") != nil
		if want := naivelyRefused(path); got != want {
			t.Errorf("check(%q) refuses: %v, want %v", path, got, want)
		}
	})
}

func naivelyRefused(path string) bool {
	for depth := 0; ; depth++ {
		if depth == maxEncodings {
			return true
		}
		var words []string
		word := []byte{}
		skip := false
		for _, c := range []byte(path + "/") {
			switch {
			case c == 0 || c == '\r' || c == '\n':
				return true
			case c == '/' || c == '\\':
				if string(word) == "." || string(word) == ".." {
					return true
				}
				if len(word) > 0 {
					words = append(words, string(bytes.ToLower(word)))
				}
				word, skip = word[:0], false
			case c == ';' || c == '?' || c == '#': // encoded in the request, or it would have ended the path
				skip = true
			case !skip:
				word = append(word, c)
			}
		}
		if len(words) > 0 && words[0] == "oauth2" || len(words) > 1 && words[0][0] == '@' && words[1] == "oauth2" {
			return true
		}
		next := naivelyDecoded(path)
		if next == path {
			return false
		}
		path = next
	}
}

func naivelyDecoded(s string) string {
	var out []byte
	for len(s) > 0 {
		if len(s) >= 3 && s[0] == '%' {
			if b, err := hex.DecodeString(s[1:3]); err == nil {
				out, s = append(out, b...), s[3:]
				continue
			}
		}
		out, s = append(out, s[0]), s[1:]
	}
	return string(out)
}

// FuzzHost compares the Host rule with a simple form of it.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"localhost", "LOCALHOST.:80", "127.0.0.1:1", "[::1]", "[::1]:80", "acme.localhost", "evil", "[::ffff:127.0.0.1]:8", "127.0.0.1.", "::1", "a.b:localhost", "[127.0.0.1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if got, want := new(Guard).allowsHost(host, nil), naivelyOurs(host); got != want {
			t.Errorf("allows(%q) = %v, want %v", host, got, want)
		}
	})
}

// naivelyOurs is allowsHost, written with regular expressions.
func naivelyOurs(host string) bool {
	m := ownHost.FindStringSubmatch(host)
	if m == nil {
		return false
	}
	if m[2] != "" {
		if port, err := strconv.Atoi(m[2]); err != nil || port > 65535 {
			return false
		}
	}
	if strings.HasPrefix(m[1], "[") {
		ip := net.ParseIP(m[1][1 : len(m[1])-1])
		return ip != nil && ip.IsLoopback() && strings.Contains(m[1], ":") // RFC 3986 section 3.2.2: brackets are for IPv6
	}
	name := strings.TrimSuffix(m[1], ".")
	if ip := net.ParseIP(name); ip != nil {
		return ip.IsLoopback()
	}
	return ownName.MatchString(name)
}

var (
	ownHost = regexp.MustCompile(`^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]*))?$`)
	ownName = regexp.MustCompile(`(?i)^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)?localhost$`)
)

// FuzzBrowserRule compares the rule about pages with a simple form of it: a request without Origin and Sec-Fetch-Site
// is from a program; the one allowed origin is accepted; otherwise both headers must say that the page is our own, or
// that a person typed the address.
func FuzzBrowserRule(f *testing.F) {
	for _, s := range [][2]string{{"", ""}, {"null", ""}, {"https://app.example", "cross-site"}, {"http://localhost:8080", "same-origin"},
		{"http://localhost:8080", "cross-site"}, {"", "none"}, {"", "same-site"}, {"https://app.example.evil", ""}, {"HTTPS://APP.EXAMPLE", ""}} {
		f.Add(s[0], s[1], true, true)
	}
	g, err := NewGuard(GuardConfig{AllowOrigins: []string{"https://app.example"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, origin, site string, hasOrigin, hasSite bool) {
		r := httptest.NewRequest("GET", "http://localhost:8080/a", nil)
		if hasOrigin {
			r.Header["Origin"] = []string{origin}
		}
		if hasSite {
			r.Header["Sec-Fetch-Site"] = []string{site}
		}
		ours := !hasOrigin || strings.EqualFold(origin, "http://localhost:8080")
		typed := !hasSite || site == "same-origin" || site == "none"
		want := ours && typed || hasOrigin && strings.EqualFold(origin, "https://app.example")
		if got := g.Check(r) == nil; got != want {
			t.Errorf("Origin %q (%v), Sec-Fetch-Site %q (%v): let in %v, want %v", origin, hasOrigin, site, hasSite, got, want)
		}
	})
}
