package cli

import (
	"context"
	"net"
	"strings"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// place is an address of the proxied port, which may be for one account only.
type place struct {
	listen.Address
	account string // empty: the request chooses
}

// parsePlace reads an address, or NAME= and an address.
func parsePlace(text string) (place, error) {
	account, at, named := strings.Cut(text, "=")
	if !named || strings.ContainsAny(account, ":/") { // a path may hold a "="
		a, err := listen.Parse(text)
		return place{Address: a}, err
	}
	if err := tokens.CheckAccount(account); err != nil {
		return place{}, err
	}
	a, err := listen.Parse(at)
	return place{a, account}, err
}

func addressesOf(places []place) (all []listen.Address) {
	for _, p := range places {
		all = append(all, p.Address)
	}
	return all
}

// accountOf is http.Server.BaseContext.
func accountOf(l net.Listener) context.Context {
	ctx := context.Background()
	if served, ok := l.(*listen.Listener); ok && served.Account != "" {
		return proxy.WithAccount(ctx, served.Account)
	}
	return ctx
}

// logCertificate returns what a certificate that has changed tells the log through.
func logCertificate(log *logrus.Entry) func(error) {
	return func(err error) {
		if err != nil {
			log.WithError(err).Warn("the changed certificate cannot be used: the former one stays in use")
			return
		}
		log.Info("using the changed certificate")
	}
}
