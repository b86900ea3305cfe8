package tokens_test

import (
	"testing"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) tokens.Store { return tokens.NewMemory() })
}
