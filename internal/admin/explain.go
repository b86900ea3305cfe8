package admin

import (
	"fmt"
	"strings"
	"time"

	"pandadoc-auth-proxy/proxy"
)

// explain describes what happened to r, a sentence or two each: the answer, the token, the body, and what
// to do.
func explain(r proxy.Exchange) []string {
	all := []string{explainAnswer(r)}
	for _, text := range []string{explainToken(r), explainReplay(r), explainBody(r), explainNext(r)} {
		if text != "" {
			all = append(all, text)
		}
	}
	return all
}

// explainNext is the hint that the client got as well.
func explainNext(r proxy.Exchange) string {
	if r.Hint == "" {
		return ""
	}
	return "Next: " + r.Hint
}

func explainAnswer(r proxy.Exchange) string {
	after := "after " + roundDuration(r.Duration) + "."
	switch {
	case r.Status == proxy.StatusClientGone:
		return "The client went away before it had its answer, " + after
	case r.Code != "":
		return strings.TrimSpace(fmt.Sprintf("The proxy answered %d (%s) itself. %s", r.Status, r.Code, r.Detail))
	case r.Cut:
		return fmt.Sprintf("PandaDoc answered %d and broke its answer off, %s", r.Status, after)
	}
	return fmt.Sprintf("PandaDoc answered %d %s", r.Status, after)
}

func explainToken(r proxy.Exchange) string {
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

func explainReplay(r proxy.Exchange) string {
	first := fmt.Sprintf("PandaDoc refused the token of generation %d with 401.", r.RefusedGeneration)
	if r.RefusedGeneration == 0 {
		first = "PandaDoc answered 401."
	}
	switch r.Replay {
	case proxy.ReplaySucceeded:
		return fmt.Sprintf("%s The proxy got generation %d and repeated the request with it; the client saw only the second answer.", first, r.Generation)
	case proxy.ReplayRefused:
		return fmt.Sprintf("%s The proxy repeated the request with generation %d, which was refused as well: this 401 is not about the token's age.", first, r.Generation)
	case proxy.ReplayFailed:
		if r.Attempts > 1 {
			return first + " The proxy repeated the request, and that got no answer."
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
		return "The token is good elsewhere, so the refusal was not about it: it was passed on as it came. A missing right or a sandbox key can be the cause."
	case proxy.ReasonBodyNotKept:
		return "Its body was too large to be kept, so it could not be repeated. The token is being renewed: send the request again, or raise --replay-disk."
	case proxy.ReasonAPIKey:
		return "An API key cannot be refreshed. If it has ended, replace it in the configuration."
	case proxy.ReasonRefreshDidNotHelp:
		return "A refresh did not help against this refusal a short while ago, so it was passed on as it came."
	}
	return "It was passed on as it came."
}

func explainBody(r proxy.Exchange) string {
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
