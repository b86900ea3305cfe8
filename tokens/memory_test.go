package tokens_test

import (
	"testing"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Suite{Lists: true, New: func(*testing.T) storetest.Place {
		m := tokens.NewMemory()
		return storetest.Place{Open: func(*testing.T, string, *tokens.Codec) tokens.Store { return m }}
	}}.Run(t)
}
