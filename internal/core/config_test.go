package core

import "testing"

func TestNamesOfKindsOutcomesAndStatuses(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range Outcomes() {
		if s := o.String(); s == "" || s == "unknown" || seen[s] {
			t.Errorf("outcome %d is called %q", o, s)
		}
		seen[o.String()] = true
	}
	expect(t, "an outcome that is none", numOutcomes.String(), "unknown")
	expect(t, "a kind", AskVerify.String(), "ask-verify")
	expect(t, "a kind that is none", EffectKind(99).String(), "unknown")
	expect(t, "a status", Dropped.String(), "dropped")
	expect(t, "a peer", NewPeer(id(3)).ID(), id(3))
}
