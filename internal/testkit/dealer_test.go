package testkit

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/verify"
)

func TestADealerRefusesSetsThatItCannotDeal(t *testing.T) {
	for _, n := range []int{0, verify.MaxValidators + 1} {
		if _, err := Deal(verify.MinSig, n, nil); err == nil || !strings.Contains(err.Error(), "1 to 65535") {
			t.Errorf("%d validators: %v", n, err)
		}
	}
	if _, err := Deal(7, 4, nil); !errors.Is(err, verify.ErrConfig) {
		t.Errorf("unknown variant: %v", err)
	}
	if _, err := Deal(verify.MinPk, 4, strings.NewReader("")); err == nil {
		t.Error("dealt without randomness")
	}
	if _, err := Deal(verify.MinPk, 4, bytes.NewReader(make([]byte, 1000))); !errors.Is(err, verify.ErrKey) {
		t.Errorf("dealt zeros: %v", err)
	}
}
