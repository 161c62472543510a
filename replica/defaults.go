package replica

import (
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// checker keeps the first error.
type checker struct{ err error }

func (c *checker) fail(field, want string, got any) {
	if c.err == nil {
		c.err = &ConfigError{Field: field, Want: want, Got: got}
	}
}

// unset checks that fields of a part are left to the replica.
func (c *checker) unset(part string, config any, fields ...string) {
	v := reflect.ValueOf(config)
	for _, name := range fields {
		if f := v.FieldByName(name); !f.IsZero() {
			c.fail(part+"."+name, "unset: the replica sets it", f.Interface())
		}
	}
}

func (c *checker) required(field string, value any) {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Invalid:
		c.fail(field, "set", nil)
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan:
		if v.IsNil() {
			c.fail(field, "set", nil)
		}
	}
}

// bounded puts the default into a zero field, and checks that any other value is from least to
// most.
func bounded[T ~int | ~int64](c *checker, field string, value *T, unset, least, most T) {
	switch {
	case *value == 0:
		*value = unset
	case *value < least || *value > most:
		c.fail(field, fmt.Sprintf("0 (default) or %v to %v", least, most), *value)
	}
}

// withDefaults returns a copy with every zero field filled in, or the *ConfigError of the first
// field that is wrong.
func (c Config) withDefaults() (Config, error) {
	var check checker
	if len(c.Namespace) == 0 {
		check.fail("Namespace", "one byte or more", "none")
	}
	check.required("Key", c.Key)
	check.required("Epochs", c.Epochs)
	check.required("Application", c.Application)
	if c.Next == nil {
		check.fail("Next", "set", nil)
	}
	if c.Dir == "" {
		check.fail("Dir", "the path of a folder", `""`)
	}
	if check.err != nil {
		return c, check.err
	}
	if key, ok := c.Key.Public().(ed25519.PublicKey); !ok || len(key) != ed25519.PublicKeySize {
		check.fail("Key", "an Ed25519 key", fmt.Sprintf("a %T", c.Key.Public()))
		return c, check.err
	}
	if c.Sequencer == nil {
		if key, ok := c.Key.(ed25519.PrivateKey); ok {
			c.Sequencer = verify.NewChunkSigner(c.Namespace, key)
		} else {
			check.fail("Sequencer", "set, since Key is no ed25519.PrivateKey", nil)
		}
	} else if c.Sequencer.PublicKey() != c.identity() {
		check.fail("Sequencer", "a signer with the public key of Key", c.Sequencer.PublicKey())
	}
	bounded(&check, "MaxPayload", &c.MaxPayload, payload.DefaultMaxPayload, 1, maxMaxPayload)
	bounded(&check, "MaxUndelivered", &c.MaxUndelivered, DefaultMaxUndelivered, 1, 1<<20)
	bounded(&check, "FetchDelay", &c.FetchDelay, DefaultFetchDelay, time.Millisecond, maxDuration)
	bounded(&check, "HedgeDelay", &c.HedgeDelay, DefaultHedgeDelay, time.Millisecond, maxDuration)
	bounded(&check, "TipInterval", &c.TipInterval, DefaultTipInterval, time.Millisecond, maxDuration)
	bounded(&check, "RequestTimeout", &c.RequestTimeout, DefaultRequestTimeout, time.Millisecond, maxDuration)
	least := leastBuffered * int64(max(c.MaxPayload, payload.PieceSize))
	bounded(&check, "MaxBuffered", &c.MaxBuffered, max(DefaultMaxBuffered, least), least, 1<<40)
	check.unset("Engine", c.Engine, "Namespace", "Identity", "Sequencer", "Schemes", "Sequencers", "Monitor", "Automaton", "Relay",
		"Reporter", "Sender", "SendCertificates", "Metrics", "Logger")
	check.unset("Engine.Journal", c.Engine.Journal, "Dir", "Create", "Recover")
	if c.Create && c.Recover {
		check.fail("Recover", "false with Create", true)
	}
	check.unset("Archive", c.Archive, "Dir", "Create", "Namespace", "MaxPayload", "Metrics", "Damaged")
	check.unset("Network", c.Network, "Key", "Types", "Listener", "Addresses", "Metrics", "Logger")
	check.unset("Network.Settings", c.Network.Settings, "Namespace", "UncompressedAcks", "PayloadFormat", "MaxPayload", "AcksToSequencer", "Epochs")
	if c.Transport != nil {
		check.unset("Transport is set; Config", c, "Listener", "Addresses", "Network")
	}
	if c.page == 0 {
		c.page = pageOfHeaders
		c.window = min(max(c.MaxUndelivered, leastWindow), pageOfHeaders)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Namespace = append([]byte(nil), c.Namespace...)
	return c, check.err
}

func (c *Config) identity() wire.PublicKey { return wire.PublicKey(c.Key.Public().(ed25519.PublicKey)) }

// scheme returns the scheme of an epoch. A nil scheme counts as unknown, as for the engine.
func (c *Config) scheme(epoch uint64) (verify.Scheme, bool) {
	scheme, ok := c.Epochs.Scheme(epoch)
	return scheme, ok && scheme != nil
}

// epochsBack and epochsAhead are the engine's values for its fields, with its defaults.
func (c *Config) epochsBack() uint64  { return orOne(c.Engine.EpochsBack) }
func (c *Config) epochsAhead() uint64 { return orOne(c.Engine.EpochsAhead) }

func orOne(n uint64) uint64 {
	switch n {
	case 0:
		return 1
	case engine.ExplicitZero:
		return 0
	}
	return n
}

// uncompressedAcks reports whether acks are uncompressed, by the scheme of the epoch that the sets
// name as current, or 0. All epochs of a network have the same encoding.
func (c *Config) uncompressedAcks() bool {
	epoch := uint64(0)
	if e, ok := c.Epochs.(interface{ Current() uint64 }); ok {
		epoch = e.Current()
	}
	scheme, ok := c.scheme(epoch)
	if !ok {
		return false
	}
	f := scheme.Format()
	return f.AckSignature != f.Signature
}
