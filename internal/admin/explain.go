package admin

import (
	"fmt"
	"strings"
	"time"
)

// ownCodes are the codes of the answers that the proxy gives itself, and what to say of each: what was
// the matter, and what helps. No other code becomes a label.
var ownCodes = map[string]struct{ why, next string }{
	"host-not-allowed":       {"its Host is not a name of this proxy", "Use localhost, or allow the name with --allow-host."},
	"origin-not-allowed":     {"a web page from elsewhere sent it", "If the page is yours, allow its origin with --allow-origin."},
	"route-not-allowed":      {"the configuration does not allow this route", "See --allow-route and --read-only."},
	"token-endpoint-refused": {"it was meant for the token endpoint, whose answers hold tokens", "Leave signing in to the proxy."},
	"bad-request":            {"it was malformed, or named two accounts", "See the detail in its answer."},
	"request-timeout":        {"its body stopped coming", "Look at the client, or at the network before the proxy."},
	"target-too-long":        {"its target is longer than 16 KiB", "Send less in the query."},
	"headers-too-large":      {"its header is larger than 64 KiB", "Send fewer or shorter header fields."},
	"client-key-required":    {"it had no valid client key", "Give the client the key that the proxy asks for."},
	"header-required":        {"it lacked the header that --require-header asks for", "Have the client send that header."},
	"unknown-account":        {"there is no such account", "Sign the account in, or correct its name."},
	"method-not-allowed":     {"its method is not one of the API's", "Use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS."},
	"login-required":         {"nobody is signed in for the account, or the login has ended", "Sign in again: the console's overview has a button for it."},
	"client-refused":         {"PandaDoc does not accept the client id or secret", hintClient},
	"refresh-unavailable":    {"there was no usable token and PandaDoc did not renew it", hintWait},
	"store-unavailable":      {"there was no usable token and the store could not be used", hintStore},
	"upstream-unreachable":   {"PandaDoc could not be reached, or closed the connection", "Check the network and --api-url. See whether the request took effect before it is sent again."},
	"upstream-protocol":      {"the answer was not valid HTTP", "Check --api-url and what lies between the proxy and PandaDoc."},
	"upstream-timeout":       {"PandaDoc did not answer in time", "Try again, or raise --upstream-header-timeout."},
	"overloaded":             {"the proxy had as many requests or connections as it may have", "Send fewer at once, or raise --max-in-flight or --max-connections."},
	"panic":                  {"the proxy met an error of its own", "See its log, and report it."},
}

// explain tells what happened to r, a sentence or two each: the answer, the token, the body, and what
// to do.
func explain(r Request) []string {
	all := []string{explainAnswer(r)}
	for _, text := range []string{explainToken(r), explainReplay(r), explainBody(r), ownCodes[r.Code].next} {
		if text != "" {
			all = append(all, text)
		}
	}
	return all
}

func explainAnswer(r Request) string {
	after := "after " + roundDuration(time.Duration(r.Duration)) + "."
	switch {
	case r.Status == statusClientGone:
		return "The client went away before it had its answer, " + after
	case r.Code != "":
		why := ownCodes[r.Code].why
		if why == "" {
			why = "see its answer for the reason"
		}
		return fmt.Sprintf("The proxy answered %d (%s) itself: %s.", r.Status, r.Code, why)
	case r.Cut:
		return fmt.Sprintf("PandaDoc answered %d and broke its answer off, %s", r.Status, after)
	}
	return fmt.Sprintf("PandaDoc answered %d %s", r.Status, after)
}

func explainToken(r Request) string {
	switch {
	case r.Attempts == 0:
		return "It was not sent to PandaDoc."
	case r.RefusedGeneration > 0:
		return ""
	case r.Generation == 0:
		return "It was signed in with an API key, as account " + r.Account + "."
	}
	return fmt.Sprintf("It was signed in as account %s, with the tokens of generation %d, which PandaDoc accepted.", r.Account, r.Generation)
}

func explainReplay(r Request) string {
	first := fmt.Sprintf("PandaDoc refused the token of generation %d with 401.", r.RefusedGeneration)
	if r.RefusedGeneration == 0 {
		first = "PandaDoc answered 401."
	}
	switch r.Replay {
	case replayed:
		return fmt.Sprintf("%s The proxy got generation %d and repeated the request with it; the client saw only the second answer.", first, r.Generation)
	case refusedAgain:
		return fmt.Sprintf("%s The proxy repeated the request with generation %d, which was refused as well: this 401 is not about the token's age.", first, r.Generation)
	case replayFailed:
		if r.Attempts > 1 {
			return first + " The proxy repeated the request, and that got no answer."
		}
		return first + " The proxy could not get a newer token, so the request was not repeated."
	case notRetried:
		return first + " " + explainReason(r.Reason)
	}
	return ""
}

func explainReason(reason string) string {
	switch reason {
	case tokenGood:
		return "The token is good elsewhere, so the refusal was not about it: it was passed on as it came. A missing right or a sandbox key can be the cause."
	case bodyNotKept:
		return "Its body was too large to be kept, so it could not be repeated. The token is being renewed: send the request again, or raise --replay-disk."
	case apiKeyUsed:
		return "An API key cannot be refreshed. " + hintAPIKey
	case refreshNoHelp:
		return "A refresh did not help against this refusal a short while ago, so it was passed on as it came."
	}
	return "It was passed on as it came."
}

func explainBody(r Request) string {
	switch {
	case r.Spooled > 0 && r.SpooledOn == "disk":
		return fmt.Sprintf("%d bytes of its body were kept, in memory and in a temporary file, in case it had to be repeated.", r.Spooled)
	case r.Spooled > 0:
		return fmt.Sprintf("%d bytes of its body were kept in memory in case it had to be repeated.", r.Spooled)
	case r.BytesIn > 0 && r.Attempts > 0:
		return fmt.Sprintf("No copy of its body (%d bytes) was kept: it was larger than the limits.", r.BytesIn)
	}
	return ""
}

// roundDuration keeps what is worth reading.
func roundDuration(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		d = d.Round(time.Second)
	case d >= time.Second:
		d = d.Round(10 * time.Millisecond)
	default:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)), ".0") + " ms"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.2f", d.Seconds()), ".00") + " s"
}
