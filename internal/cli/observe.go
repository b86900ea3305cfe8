package cli

import (
	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/proxy"
)

// requestOf shows the admin side what happened on the proxied port. The two do not know each other.
func requestOf(x proxy.Exchange) admin.Request {
	return admin.Request{
		ID: x.RequestID, At: x.Start.UTC(), Account: x.Account, Method: x.Method, Route: x.Route,
		Status: x.Status, Code: string(x.Code), Attempts: x.Attempts, Replay: x.Replay, Reason: x.Reason, Cut: x.Cut,
		Generation: x.Generation, RefusedGeneration: x.RefusedGeneration,
		BytesIn: x.BytesIn, BytesOut: x.BytesOut, Spooled: x.Spooled, SpooledOn: x.SpooledOn,
		Duration: admin.Milliseconds(x.Duration), Upstream: admin.Milliseconds(x.Upstream),
	}
}
