package tokens

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxAnswer    = 1 << 20                    // bytes read of an answer, and of what it unpacks to
	maxLifetime  = 100 * 365 * 24 * time.Hour // longer ones are cut to this: a time.Time stays printable
	maxErrorText = 200                        // bytes kept of error and error_description
)

// Pair is what the token endpoint gives.
type Pair struct {
	AccessToken Secret
	// RefreshToken is empty if the answer had none: the old one stays valid (RFC 6749 section 6).
	RefreshToken Secret
	TokenType    string
	Scope        string
	// ExpiresIn is the life of the access token. Zero means unknown.
	ExpiresIn time.Duration
}

var errNoToken = errors.New("the answer of the token endpoint holds no usable access token")

// readPair takes a pair out of a 2xx answer, whatever its Content-Type, and even if it is damaged
// behind the tokens: the server has committed the rotation, and the old pair is dead. That is why
// this is not golang.org/x/oauth2, which drops the pair when, say, expires_in is 31535999.0.
func readPair(body []byte) (Pair, error) {
	fields := readFields(body)
	p := Pair{
		AccessToken:  NewSecret(text(fields["access_token"])),
		RefreshToken: NewSecret(text(fields["refresh_token"])),
		TokenType:    text(fields["token_type"]),
		Scope:        text(fields["scope"]),
		ExpiresIn:    lifetime(fields["expires_in"]),
	}
	switch {
	case p.AccessToken.IsZero():
		return Pair{}, errNoToken
	case !isHeaderSafe(p.AccessToken.Reveal()):
		return Pair{}, fmt.Errorf("%w: it has characters that no header may carry", errNoToken)
	case p.TokenType != "" && !strings.EqualFold(p.TokenType, Bearer):
		// RFC 6749 section 7.1: a token of an unknown type must not be used.
		return Pair{}, fmt.Errorf("%w: its type is not Bearer", errNoToken)
	}
	return p, nil
}

// readFields reads the members of the JSON object in body one by one, so that damage behind a member
// does not cost the ones before it. It never fails: what cannot be read is not there.
func readFields(body []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(unpack(body), []byte("\xef\xbb\xbf"))))
	d.UseNumber()
	fields := map[string]any{}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fields
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			break
		}
		var value any
		if err := d.Decode(&value); err != nil {
			break
		}
		if s, ok := name.(string); ok {
			fields[s] = value
		}
	}
	return fields
}

// unpack undoes gzip, which some servers send unasked. Of a body cut short it returns what there is.
func unpack(body []byte) []byte {
	if !bytes.HasPrefix(body, []byte("\x1f\x8b")) {
		return body
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	plain, _ := io.ReadAll(io.LimitReader(z, maxAnswer))
	return plain
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// lifetime reads expires_in as integer, float or string. What makes no sense is unknown (zero).
func lifetime(v any) time.Duration {
	var s string
	switch v := v.(type) {
	case json.Number:
		s = v.String()
	case string:
		s = strings.TrimSpace(v)
	}
	seconds, err := strconv.ParseFloat(s, 64)
	if (err != nil && !errors.Is(err, strconv.ErrRange)) || math.IsNaN(seconds) || seconds <= 0 {
		return 0
	}
	if seconds >= maxLifetime.Seconds() {
		return maxLifetime
	}
	return time.Duration(seconds * float64(time.Second))
}

// isHeaderSafe says whether s may stand in an Authorization header: visible ASCII (RFC 6750 section 2.1
// allows less; a server that uses more of it must still be served).
func isHeaderSafe(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// readError takes the error code out of an answer that is no pair (RFC 6749 section 5.2). HTML, an
// empty body and the rest give an error without a code.
func readError(status int, body []byte) *EndpointError {
	fields := readFields(body)
	return &EndpointError{
		Status:      status,
		Code:        errorText(text(fields["error"])),
		Description: errorText(text(fields["error_description"])),
	}
}

// errorText makes a foreign text safe to show: one line, bounded, printable.
func errorText(s string) string {
	if len(s) > maxErrorText {
		s = s[:maxErrorText]
	}
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}
