package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// policy narrows what may be asked of the API. The zero value allows everything.
type policy struct {
	readOnly bool
	routes   []routeRule // none: all
}

// routeRule allows some methods on some paths.
type routeRule struct {
	methods []string
	path    *regexp.Regexp
}

func newPolicy(readOnly bool, routes []string) (policy, error) {
	p := policy{readOnly: readOnly}
	var errs []error
	for _, text := range routes {
		rule, err := parseRoute(text)
		errs = append(errs, err)
		p.routes = append(p.routes, rule)
	}
	return p, errors.Join(errs...)
}

// CheckRoute says what is wrong with an entry of Config.AllowRoutes.
func CheckRoute(text string) error {
	_, err := parseRoute(text)
	return err
}

// parseRoute reads "GET /public/v1/documents*". Several methods are separated by commas, and * stands for
// all of them. In the path, * stands for the rest at the end and elsewhere for what lies between two
// slashes.
func parseRoute(text string) (routeRule, error) {
	methods, path, _ := strings.Cut(strings.TrimSpace(text), " ")
	path = strings.TrimSpace(path)
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t?#%\\") {
		return routeRule{}, fmt.Errorf(`allowed route %q: want methods and a decoded path, like "GET /public/v1/documents*"`, text)
	}
	rule := routeRule{methods: strings.Split(methods, ",")}
	if methods == "*" {
		rule.methods = strings.Split(allowedMethods, ", ")
	}
	for _, m := range rule.methods {
		if !methodAllowed(m) {
			return routeRule{}, fmt.Errorf("allowed route %q: %q is not a method of the API; they are %s", text, m, allowedMethods)
		}
	}
	if slices.Contains(rule.methods, http.MethodGet) {
		rule.methods = append(rule.methods, http.MethodHead) // the same, without the body
	}
	rest := ""
	if strings.HasSuffix(path, "*") {
		path, rest = strings.TrimSuffix(path, "*"), ".*"
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(path), `\*`, `[^/\\]+`) + rest
	rule.path = regexp.MustCompile(`(?s)\A` + pattern + `\z`) // quoted, so it compiles
	return rule, nil
}

// narrows says whether anything is refused at all.
func (p policy) narrows() bool { return p.readOnly || len(p.routes) > 0 }

// check decides about what path means once it is decoded, however often that is done behind us. The path
// itself is forwarded as it came.
func (p policy) check(method, path string) *Problem {
	if p.readOnly && !isRead(method) {
		return routeNotAllowed.problem("This proxy only reads: "+method+" is not allowed.", "see --read-only")
	}
	if len(p.routes) == 0 {
		return nil
	}
	if path == "" {
		path = "/"
	}
	for {
		decoded := decodePercent(path)
		if !p.allows(method, decoded) {
			return routeNotAllowed.problem("No rule of this proxy allows this method on this path.", "see --allow-route")
		}
		if decoded == path {
			return nil
		}
		path = decoded
	}
}

func (p policy) allows(method, path string) bool {
	return slices.ContainsFunc(p.routes, func(r routeRule) bool {
		return slices.Contains(r.methods, method) && r.path.MatchString(path)
	})
}

func isRead(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// dropOverrides removes the headers by which some servers take a request for one of another method: a
// policy about methods would be none.
func dropOverrides(h http.Header) {
	for name := range h {
		switch unfold(name) {
		case "X-Http-Method-Override", "X-Http-Method", "X-Method-Override":
			delete(h, name)
		}
	}
}
