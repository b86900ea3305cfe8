package admin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pandadoc-auth-proxy/proxy"
)

// explain describes what happened to r, with one or two sentences about each of: the answer, the token, the
// body, and what to do.
func explain(r proxy.Exchange) []string {
	all := []string{explainAnswer(r), explainToken(r), explainReplay(r), explainBody(r)}
	if r.Hint != "" {
		all = append(all, "Next: "+r.Hint) // the client got it too
	}
	return slices.DeleteFunc(all, func(text string) bool { return text == "" })
}

func explainAnswer(r proxy.Exchange) string {
	after := "after " + roundDuration(r.Duration) + "."
	switch {
	case r.Status == proxy.StatusClientGone:
		return "The client closed its connection before it had the answer, " + after
	case r.Code != "":
		return strings.TrimSpace(fmt.Sprintf("The proxy itself answered %d (%s). %s", r.Status, r.Code, r.Detail))
	case r.Cut:
		return fmt.Sprintf("PandaDoc answered %d, but the answer was cut off %s", r.Status, after)
	}
	return fmt.Sprintf("PandaDoc answered %d %s", r.Status, after)
}

func explainToken(r proxy.Exchange) string {
	switch {
	case r.Attempts == 0:
		return "The request was not sent to PandaDoc."
	case r.RefusedGeneration > 0:
		return ""
	case r.Generation == 0:
		return "The proxy sent it with the API key of account " + r.Account + "."
	}
	sent := fmt.Sprintf("The proxy sent it with the token of account %s, generation %d", r.Account, r.Generation)
	if r.Code != "" || r.Status == proxy.StatusClientGone { // PandaDoc gave no answer, or perhaps none
		return sent + "."
	}
	return sent + ", and PandaDoc accepted the token."
}

func explainReplay(r proxy.Exchange) string {
	first := fmt.Sprintf("PandaDoc refused the token of generation %d with 401.", r.RefusedGeneration)
	if r.RefusedGeneration == 0 {
		first = "PandaDoc answered 401."
	}
	switch r.Replay {
	case proxy.ReplaySucceeded:
		return fmt.Sprintf("%s The proxy got generation %d and repeated the request with it; the client saw only the second answer.", first, r.Generation)
	case proxy.ReplayRefused:
		return fmt.Sprintf("%s The proxy repeated the request with generation %d, and PandaDoc refused that too: the reason for this 401 is not an expired token.", first, r.Generation)
	case proxy.ReplayFailed:
		if r.Attempts > 1 && r.Generation != r.RefusedGeneration {
			return first + " The proxy repeated the request, but got no answer."
		}
		return first + " The proxy could not get a newer token, so the request was not repeated."
	case proxy.ReplayNone:
		return first + " " + explainReason(r.Reason)
	}
	return ""
}

func explainReason(reason string) string {
	switch reason {
	case proxy.ReasonTokenGood:
		return "The token works for other requests, so it is not the reason for the 401. The client got the 401 unchanged. A missing permission or a sandbox key can be the reason."
	case proxy.ReasonBodyNotKept:
		return "The body of the request was too large to keep, so the proxy could not repeat it. The token is being refreshed: send the request again, or raise --replay-disk."
	case proxy.ReasonAPIKey:
		return "An API key cannot be refreshed. If it is no longer valid, replace it in the configuration."
	case proxy.ReasonRefreshDidNotHelp:
		return "A short while ago a refresh did not help against such a 401, so the client got the 401 unchanged."
	}
	return "The client got the 401 unchanged."
}

func explainBody(r proxy.Exchange) string {
	switch {
	case r.Spooled > 0 && r.SpooledOn == "disk":
		return fmt.Sprintf("The proxy kept %d bytes of the body, in memory and in a temporary file, in case it had to repeat the request.", r.Spooled)
	case r.Spooled > 0:
		return fmt.Sprintf("The proxy kept %d bytes of the body in memory, in case it had to repeat the request.", r.Spooled)
	case r.BytesIn > 0 && r.Attempts > 0:
		return fmt.Sprintf("The proxy kept no copy of the body (%d bytes), because it was larger than the limits.", r.BytesIn)
	}
	return ""
}

// roundDuration rounds d to a precision that is useful to a reader.
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
