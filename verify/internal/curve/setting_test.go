package curve

import "testing"

func TestTheSettingIsOnOrOffAndNothingElse(t *testing.T) {
	for value, want := range map[string]bool{
		"": true, "on": true, "1": true, "true": true, "ON": true, "True": true,
		"off": false, "0": false, "false": false, "OFF": false, "False": false,
	} {
		if on, valid := parseSetting(value); on != want || !valid {
			t.Errorf("%q: %v, %v", value, on, valid)
		}
	}
	for _, value := range []string{"no", "of", "2", "00", " off", "off ", "disabled", "-"} {
		if _, valid := parseSetting(value); valid {
			t.Errorf("%q is accepted", value)
		}
	}
}
