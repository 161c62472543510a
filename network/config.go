package network

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/wire"
)

// Config configures a network. A zero field takes the default in its comment. A field out of range
// makes [New] return a [*ConfigError] that names it.
type Config struct {
	// Key is the transport key, an Ed25519 key. It signs once per handshake; its Sign must return.
	// Required.
	Key crypto.Signer
	// Proof is the identity's signature for Key; nil if Key is the identity.
	Proof *KeyProof
	// Types are the types of messages that the host uses: at least one of Control.
	Types []MessageType
	// Settings are compared with the settings of each peer.
	Settings Settings

	// Listener accepts connections; nil: none are accepted. Run closes it.
	Listener net.Listener
	// Dial connects to an address. Default: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Addresses returns a map from identities to the addresses at which they can be dialled. The
	// map never changes. Entries for ourselves or for an identity that Handler.Admit refuses do no
	// harm. It is called at start and after Recheck. nil: nobody is dialled.
	Addresses func() map[wire.PublicKey]string

	// MaxPeers is the highest number of connected peers. Default 256, at most 65536. If it is
	// reached, a member that connects takes the place of the follower that was connected last. It
	// must be at least the number of members less one, so that any two members can be connected.
	MaxPeers int
	// MaxFollowers is the highest number of followers among them. Default 64.
	MaxFollowers int
	// MaxHandshakes is the highest number of accepted connections whose hello is not in. Default
	// 64, at most 65536.
	MaxHandshakes int
	// MaxHandshakesPerAddress is the highest number of them from one IP address, or from one /64 of
	// IPv6, since one host may have all of its addresses. Default 16.
	MaxHandshakesPerAddress int
	// QueueMessages and QueueBytes bound the messages that wait to be sent, per peer and class.
	// Defaults 4096 and 4 MiB; at most 2^20 and 1 GiB. QueueBytes must hold at least one message of
	// any type.
	QueueMessages, QueueBytes int
	// MaxServing is the highest number of requests served at once, for all peers; further requests
	// are answered with «busy». When half of the places are taken, a peer gets another place only
	// while it has less than an equal share of the other half, or none. Default 256, at most 65536.
	MaxServing int
	// BulkRate bounds what all Bulk connections together send, in bytes per second. It should be
	// somewhat less than the link carries: a queue in front of the link delays votes. Default 0:
	// unlimited. At least 1 MiB.
	BulkRate int
	// BulkPeers is the number of peers to which bulk is sent at once; a peer's turn ends when
	// nothing waits for it or after BulkTurn bytes. So a few peers get a body early, rather than
	// all of them late. Defaults 4 and 4 MiB.
	BulkPeers, BulkTurn int

	// ReadPause is the time for which a control connection that gets small records at a high rate
	// is not read, so that one read brings several. A message waits that long at most, and half of
	// it on average; on an idle process timers add up to a millisecond. A connection pauses only
	// while it gets at least one record in that time, and all connections together get more than
	// 20,000 per second: a message that comes alone never waits. Default 1 ms, from 100 µs to 10
	// ms; -1: never.
	ReadPause time.Duration

	// HandshakeTimeout is the time within which the hello of a connection must be in. Default 5 s.
	HandshakeTimeout time.Duration
	// PingInterval is the time between two pings on a connection. Default 5 s.
	PingInterval time.Duration
	// IdleTimeout is the time after which a connection is closed if nothing comes in although it
	// was pinged. Default 15 s; must be more than PingInterval.
	IdleTimeout time.Duration
	// WriteTimeout is the time that a peer has to make room for the bytes being written. The
	// connection of a peer that reads nothing ends then. Default 10 s.
	WriteTimeout time.Duration
	// MinBackoff and MaxBackoff bound the pause between two attempts to dial. It grows by half and
	// is jittered by half. Defaults 100 ms and 15 s. All durations are at most 24 hours.
	MinBackoff, MaxBackoff time.Duration
	// MaxRecords and MaxAge limit the life of a connection: it is replaced after that many TLS
	// records in either direction, or after that time. Defaults and highest values 2^23 and 24 h.
	MaxRecords uint64
	MaxAge     time.Duration

	// Metrics is the registry of the metrics while Run runs. nil: none.
	Metrics prometheus.Registerer
	// Logger gets messages for an operator. nil: nothing is logged.
	Logger *slog.Logger
}

// ConfigError is the error for a field of a [Config] that is wrong.
type ConfigError struct {
	Field string
	Want  string
	Got   any
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("network: Config.%s must be %s, got %v", e.Field, e.Want, e.Got)
}

// followersPart is the part of a quota that followers have: one in so many.
const followersPart = 8

const (
	maxDuration     = 24 * time.Hour
	maxBulkLimit    = 128 << 10
	maxControlLimit = 16 << 20
	maxQueueBytes   = 1 << 30
)

// checker keeps the first error.
type checker struct{ err error }

func (c *checker) fail(field, want string, got any) {
	if c.err == nil {
		c.err = &ConfigError{Field: field, Want: want, Got: got}
	}
}

// bounded sets a zero field to the default, and checks that any other value is from least to most.
func bounded[T ~int | ~int64 | ~uint64](c *checker, field string, value *T, unset, least, most T) {
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
	if c.Key == nil {
		check.fail("Key", "set", nil)
		return c, check.err
	}
	if key, ok := c.Key.Public().(ed25519.PublicKey); !ok || len(key) != ed25519.PublicKeySize {
		check.fail("Key", "an Ed25519 key", fmt.Sprintf("a %T", c.Key.Public()))
		return c, check.err
	}
	if c.Proof != nil {
		c.Proof.validate(&check)
	}
	if check.err == nil && c.Proof != nil && !c.Proof.valid(c.Settings.Namespace, publicKey(c.Key), time.Now()) {
		check.fail("Proof", "the identity's signature for Key, not yet expired", "one that does not verify, or ended "+c.Proof.NotAfter.String())
	}
	c.Settings.validate(&check)
	c.Types = slices.Clone(c.Types)
	largest := c.validateTypes(&check)

	bounded(&check, "MaxPeers", &c.MaxPeers, 256, 1, 1<<16)
	bounded(&check, "MaxFollowers", &c.MaxFollowers, min(64, c.MaxPeers), 1, c.MaxPeers)
	bounded(&check, "MaxHandshakes", &c.MaxHandshakes, 64, 1, 1<<16)
	bounded(&check, "MaxHandshakesPerAddress", &c.MaxHandshakesPerAddress, min(16, c.MaxHandshakes), 1, c.MaxHandshakes)
	bounded(&check, "QueueMessages", &c.QueueMessages, 4096, 1, 1<<20)
	bounded(&check, "QueueBytes", &c.QueueBytes, max(4<<20, largest), largest, maxQueueBytes)
	bounded(&check, "MaxServing", &c.MaxServing, 256, 1, 1<<16)
	bounded(&check, "BulkRate", &c.BulkRate, 0, 1<<20, 1<<30)
	bounded(&check, "BulkPeers", &c.BulkPeers, 4, 1, 1<<16)
	bounded(&check, "BulkTurn", &c.BulkTurn, 4<<20, 1, maxQueueBytes)
	if c.ReadPause != -1 {
		bounded(&check, "ReadPause", &c.ReadPause, time.Millisecond, 100*time.Microsecond, 10*time.Millisecond)
	}
	bounded(&check, "HandshakeTimeout", &c.HandshakeTimeout, 5*time.Second, time.Millisecond, maxDuration)
	bounded(&check, "PingInterval", &c.PingInterval, 5*time.Second, time.Millisecond, maxDuration)
	bounded(&check, "IdleTimeout", &c.IdleTimeout, max(15*time.Second, 3*c.PingInterval), c.PingInterval+1, 2*maxDuration)
	bounded(&check, "WriteTimeout", &c.WriteTimeout, 10*time.Second, time.Millisecond, maxDuration)
	bounded(&check, "MinBackoff", &c.MinBackoff, 100*time.Millisecond, time.Millisecond, maxDuration)
	bounded(&check, "MaxBackoff", &c.MaxBackoff, max(15*time.Second, c.MinBackoff), c.MinBackoff, maxDuration)
	bounded(&check, "MaxRecords", &c.MaxRecords, 1<<23, 16, 1<<23)
	bounded(&check, "MaxAge", &c.MaxAge, maxDuration, time.Millisecond, maxDuration)
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	if c.Addresses == nil {
		c.Addresses = func() map[wire.PublicKey]string { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, check.err
}

// validateTypes returns the largest limit.
func (c *Config) validateTypes(check *checker) (largest int) {
	var seen [256]bool
	names := map[string]bool{"hello": true, "goodbye": true, "ping": true, "pong": true, "unanswered": true}
	control := false
	for i, t := range c.Types {
		field := fmt.Sprintf("Types[%d]", i)
		most := maxControlLimit
		if t.Class == Bulk {
			most = maxBulkLimit
		}
		switch {
		case t.Type < firstType:
			check.fail(field+".Type", fmt.Sprintf("at least 0x%02x", uint8(firstType)), uint8(t.Type))
		case seen[t.Type]:
			check.fail(field+".Type", "another than those before", uint8(t.Type))
		case t.Name == "" || len(t.Name) > 64 || !utf8.ValidString(t.Name):
			check.fail(field+".Name", "1 to 64 bytes of UTF-8", t.Name)
		case names[t.Name]:
			check.fail(field+".Name", "another than those before and those of the transport", t.Name)
		case t.Class >= classes:
			check.fail(field+".Class", "Control or Bulk", t.Class)
		case t.Kind >= kinds:
			check.fail(field+".Kind", "Plain, Request or Answer", t.Kind)
		case t.Limit < 0 || t.Limit > most:
			check.fail(field+".Limit", fmt.Sprintf("0 to %d", most), t.Limit)
		}
		seen[t.Type], names[t.Name] = true, true
		control = control || t.Class == Control
		largest = max(largest, t.Limit)
	}
	if !control {
		check.fail("Types", "at least one type of class Control", len(c.Types))
	}
	return max(largest, 1)
}
