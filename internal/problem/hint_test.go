package problem

import (
	"errors"
	"fmt"
	"testing"
)

type twoCauses struct{}

func (twoCauses) Error() string   { return "both at once" }
func (twoCauses) Unwrap() []error { return []error{errors.New("one"), errors.New("two")} }

func TestEachTakesOnlyJoinedErrorsApart(t *testing.T) {
	err := errors.Join(Mistake("one", "do this"), errors.Join(twoCauses{}, nil), errors.New("three"))
	var got []string
	for _, e := range Each(err) {
		got = append(got, e.Error()+"|"+HintOf(e))
	}
	if want := "[one|do this both at once| three|]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if Each(nil) != nil {
		t.Errorf("got something for nil")
	}
}

func TestTheHintIsFoundInsideOfOtherErrors(t *testing.T) {
	err := fmt.Errorf("open: %w", WithHint(errors.New("full"), "make room"))
	if got := HintOf(err); got != "make room" {
		t.Errorf("got %q", got)
	}
}
