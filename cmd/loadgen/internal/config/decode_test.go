package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheNetworkIsReadStrictly(t *testing.T) {
	dir := network(t, nil)
	b, err := os.ReadFile(filepath.Join(dir, NetworkName))
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	n, err := ParseNetwork(b)
	if err != nil {
		t.Fatal(err)
	}
	first, third := n.Members[0].Identity.String(), n.Members[2].Identity.String()
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown field":              {`"seed"`, `"sead"`, `unknown field "sead"`},
		"unknown field, other case":  {`"version"`, `"Version"`, `"Version"`},
		"unknown field in a member":  {`"validator": true`, `"validatr": true`, `unknown field "validatr"`},
		"twice":                      {`"batch_size": 64`, `"batch_size": 64, "batch_size": 65`, "batch_size stands twice"},
		"twice in a part":            {`"loss": 0`, `"loss": 0, "loss": 0.5`, "link.loss stands twice"},
		"wrong type":                 {`"batch_size": 64`, `"batch_size": "64"`, "batch_size"},
		"no number":                  {`"loss": 0`, `"loss": 1`, "link.loss must be 0 to less than 1, got 1"},
		"no duration":                {`"latency": "0s"`, `"latency": "soon"`, `"soon"`},
		"too long a latency":         {`"latency": "0s"`, `"latency": "61s"`, "link.latency must be 0s to 1m, got 1m1s"},
		"negative jitter":            {`"jitter": "0s"`, `"jitter": "-1s"`, "link.jitter"},
		"a batch of none":            {`"batch_size": 64`, `"batch_size": 0`, "batch_size must be 1 to 65536"},
		"another version":            {`"version": 1`, `"version": 2`, "version must be 1"},
		"no namespace":               {`"namespace": "lanecast-loadgen-`, `"namespace": "", "x": "`, "unknown field"},
		"no time to measure":         {`"duration": "1s"`, `"duration": "0s"`, "run.duration"},
		"no scheme":                  {`"scheme": "multisig"`, `"scheme": "multisick"`, "multisick"},
		"a key in short":             {`"key": "`, `"key": "00`, "public key"},
		"a key that is no hex":       {`"key": "`, `"key": "x`, "encoding/hex"},
		"a proof of another":         {`"proof": "`, `"proof": "a`, ""},
		"an identity twice":          {third, first, "members[2].identity is that of members[0]"},
		"an identity of small order": {first, strings.Repeat("0", 64), "members[0].identity"},
		"an address twice":           {"10.0.0.3:7600", "10.0.0.1:7600", "members[2].address is that of members[0]"},
		"a port too high":            {"10.0.0.3:7600", "10.0.0.3:76000", "members[2].address"},
		"an idle member":             {"\"validator\": true,\n      \"sequencer\": true", "\"validator\": false,\n      \"sequencer\": false", "members[0] is neither"},
		"more than an object":        {"\n}\n", "\n}\n{}", "follows"},
		"half of it":                 {"\n}\n", "\n", "unexpected EOF"},
		"a list":                     {good, "[]", "array"},
		"nothing":                    {good, "", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("no %s in:\n%s", c.old, good)
			}
			_, err := ParseNetwork([]byte(strings.Replace(good, c.old, c.new, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one about %s", err, c.want)
			}
		})
	}
}

func TestAMemberIsReadStrictly(t *testing.T) {
	dir := filepath.Join(network(t, nil), MemberFolder(1))
	name := filepath.Join(dir, memberName)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	for _, c := range []struct{ old, new, want string }{
		{`"member": 1`, `"member": 5`, "member must be 1 to 4"},
		{`"member": 1`, `"member": 2`, "is the key of"},
		{`"workers": 0`, `"workers": 2000`, "workers must be"},
		{`"workers": 0`, `"worker": 1`, `unknown field "worker"`},
		{`"workers": 0`, `"workers": 0, "workers": 0`, "workers stands twice"},
		{`"listen": ":7600"`, `"listen": "7600"`, "listen"},
		{`"journal": "journal"`, `"journal": ""`, "journal is missing"},
		{`"identity_key": "identity.key"`, `"identity_key": ""`, "identity_key is missing"},
		{`"ack_key": "ack.key",`, ``, "ack_key"},
		{`"ack_key": "ack.key"`, `"ack_key": "none.key"`, "none.key"},
		{`"ack_key": "ack.key"`, `"ack_key": "member.json"`, "may be read by others"},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("no %s in:\n%s", c.old, good)
		}
		if err := os.WriteFile(name, []byte(strings.Replace(good, c.old, c.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one about %s", c.new, err, c.want)
		}
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is no member's folder") {
		t.Errorf("%v", err)
	}
}
