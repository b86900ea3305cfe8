package kubestore

import (
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// Parse reads the text after "kubernetes:", which is [NAMESPACE/]PREFIX. Both may be empty.
func Parse(text string) (namespace, prefix string, err error) {
	namespace, prefix, found := strings.Cut(text, "/")
	if !found {
		namespace, prefix = "", text
	}
	for _, part := range []string{namespace, prefix} {
		// Namespaces and accounts have the same rule for names, that of DNS labels.
		if part != "" && !tokens.ValidAccount(part) {
			return "", "", problem.Mistake("the store's namespace or prefix is not a valid Kubernetes name",
				"write kubernetes:NAMESPACE/PREFIX with a-z, 0-9 and - in both")
		}
	}
	if found && namespace == "" {
		return "", "", problem.Mistake("the namespace of the store is empty", "write kubernetes:PREFIX for the namespace of the pod")
	}
	return namespace, prefix, nil
}
