package network

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/lanecast/lanecast/wire"
)

func TestAConfigurationThatIsWrongIsRefusedByTheFieldsName(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	typ := func(m MessageType) func(*Config) {
		return func(c *Config) { c.Types = append(c.Types[:1:1], m) }
	}
	for field, changes := range map[string][]func(*Config){
		"Key":            {func(c *Config) { c.Key = nil }, func(c *Config) { c.Key = ec }},
		"Proof":          {func(c *Config) { c.Proof = &KeyProof{NotAfter: time.Now().Add(time.Hour).Truncate(time.Second)} }},
		"Types":          {func(c *Config) { c.Types = nil }, func(c *Config) { c.Types = c.Types[2:] }},
		"Types[1].Type":  {typ(MessageType{Type: 0x0f, Name: "x"}), typ(MessageType{Type: typeNode, Name: "x"})},
		"Types[1].Name":  {typ(MessageType{Type: 0x30}), typ(MessageType{Type: 0x30, Name: "node"}), typ(MessageType{Type: 0x30, Name: "ping"})},
		"Types[1].Class": {typ(MessageType{Type: 0x30, Name: "x", Class: 2})},
		"Types[1].Kind":  {typ(MessageType{Type: 0x30, Name: "x", Kind: 3})},
		"Types[1].Limit": {typ(MessageType{Type: 0x30, Name: "x", Class: Bulk, Limit: 128<<10 + 1}), typ(MessageType{Type: 0x30, Name: "x", Limit: -1})},
		"Settings.Version": {
			func(c *Config) { c.Settings.Version = strings.Repeat("x", 65) }, func(c *Config) { c.Settings.Version = "\xff" },
		},
		"Settings.Namespace": {func(c *Config) { c.Settings.Namespace = nil }, func(c *Config) { c.Settings.Namespace = []byte{} }},
		"Proof.NotAfter": {
			func(c *Config) { c.Proof = &KeyProof{NotAfter: time.Now().Add(time.Hour).Truncate(time.Second).Add(1)} },
			func(c *Config) { c.Proof = &KeyProof{NotAfter: time.Unix(1<<40+1, 0)} },
			func(c *Config) { c.Proof = &KeyProof{NotAfter: time.Unix(-1, 0)} },
			func(c *Config) { c.Proof = &KeyProof{} },
		},
		"ReadPause":               {func(c *Config) { c.ReadPause = 11 * time.Millisecond }, func(c *Config) { c.ReadPause = -2 }, func(c *Config) { c.ReadPause = 1 }},
		"Settings.MaxPayload":     {func(c *Config) { c.Settings.MaxPayload = 1 }},
		"MaxPeers":                {func(c *Config) { c.MaxPeers = -1 }, func(c *Config) { c.MaxPeers = 1<<16 + 1 }},
		"MaxFollowers":            {func(c *Config) { c.MaxPeers, c.MaxFollowers = 3, 4 }},
		"MaxHandshakes":           {func(c *Config) { c.MaxHandshakes = -1 }},
		"MaxHandshakesPerAddress": {func(c *Config) { c.MaxHandshakesPerAddress = 65 }},
		"QueueMessages":           {func(c *Config) { c.QueueMessages = 1<<20 + 1 }},
		"QueueBytes":              {func(c *Config) { c.QueueBytes = 128<<10 - 1 }},
		"MaxServing":              {func(c *Config) { c.MaxServing = -1 }},
		"BulkRate":                {func(c *Config) { c.BulkRate = 1<<20 - 1 }},
		"BulkPeers":               {func(c *Config) { c.BulkPeers = -1 }},
		"BulkTurn":                {func(c *Config) { c.BulkTurn = -1 }},
		"HandshakeTimeout":        {func(c *Config) { c.HandshakeTimeout = 25 * time.Hour }},
		"PingInterval":            {func(c *Config) { c.PingInterval = time.Nanosecond }},
		"IdleTimeout":             {func(c *Config) { c.PingInterval, c.IdleTimeout = time.Second, time.Second }},
		"WriteTimeout":            {func(c *Config) { c.WriteTimeout = -1 }},
		"MinBackoff":              {func(c *Config) { c.MinBackoff = -1 }},
		"MaxBackoff":              {func(c *Config) { c.MinBackoff, c.MaxBackoff = time.Second, time.Millisecond }},
		"MaxRecords":              {func(c *Config) { c.MaxRecords = 1<<23 + 1 }},
		"MaxAge":                  {func(c *Config) { c.MaxAge = 25 * time.Hour }},
	} {
		for i, change := range changes {
			c := Config{Key: testKey(0), Types: testTypes, Settings: Settings{Namespace: []byte("test")}}
			change(&c)
			_, err := New(c)
			var bad *ConfigError
			if !errors.As(err, &bad) || bad.Field != field || !strings.Contains(err.Error(), "Config."+field) {
				t.Errorf("%s, %d: %v", field, i, err)
			}
			if c.MaxMemory(1) != 0 {
				t.Errorf("%s, %d: it has memory", field, i)
			}
		}
	}
	if _, err := New(Config{Key: testKey(0), Types: testTypes, Settings: Settings{Namespace: []byte("test")}}); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func TestMetricsHaveBoundedLabelsAndKeysAreNotLogged(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		registry := prometheus.NewPedanticRegistry()
		var log bytes.Buffer
		w.config = func(i int, c *Config) {
			if i == 0 {
				c.Metrics, c.Logger = registry, textLogger(&log)
			}
		}
		a, b := w.start(0, nil), w.start(1, nil)
		after(10 * time.Second)
		a.n.Send([]wire.PublicKey{b.id, {9}}, typeNode, []byte("12345"))
		a.n.Send([]wire.PublicKey{b.id}, typeAck, make([]byte, 513))
		a.n.Send([]wire.PublicKey{b.id}, typePiece, nil)
		after(time.Second)
		want := `
# HELP lanecast_network_dropped_messages_total Messages that were not sent.
# TYPE lanecast_network_dropped_messages_total counter
lanecast_network_dropped_messages_total{reason="no_such_type"} 1
lanecast_network_dropped_messages_total{reason="not_connected"} 1
lanecast_network_dropped_messages_total{reason="queue_full"} 0
lanecast_network_dropped_messages_total{reason="too_long"} 1
# HELP lanecast_network_peers Connected peers.
# TYPE lanecast_network_peers gauge
lanecast_network_peers{role="follower"} 0
lanecast_network_peers{role="member"} 1
# HELP lanecast_network_connections Live connections.
# TYPE lanecast_network_connections gauge
lanecast_network_connections{class="bulk"} 1
lanecast_network_connections{class="control"} 1
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "lanecast_network_dropped_messages_total", "lanecast_network_peers", "lanecast_network_connections"); err != nil {
			t.Error(err)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if len(f.Metric) > 16 {
				t.Errorf("%s has %d series", f.GetName(), len(f.Metric))
			}
		}
		stopAll(t, a, b)
		if left, err := registry.Gather(); err != nil || len(left) != 0 {
			t.Errorf("%d metrics are registered after the end, %v", len(left), err)
		}
		secret := []byte(w.keys[0].Seed())
		for _, form := range []string{hex.EncodeToString(secret), string(secret), fmt.Sprint(secret), fmt.Sprintf("%v", w.keys[0])} {
			if strings.Contains(log.String(), form) {
				t.Error("the secret key is in the log")
			}
		}
		if !strings.Contains(log.String(), "peer connected") {
			t.Errorf("logged: %s", log.String())
		}
	})
}
