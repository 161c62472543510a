package engine

import (
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"runtime"
	"slices"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// The defaults of those fields of [Config] that embedders calculate with.
const (
	DefaultBatchSize    = 64
	DefaultPeerQuota    = 1024
	DefaultMaxVoteBytes = 64 << 20
	DefaultMaxOutbox    = 4096
)

const (
	defaultEpochsBack         uint64 = 1
	defaultEpochsAhead        uint64 = 1
	defaultHeightBound        uint64 = 16
	defaultRebroadcastTimeout        = 5 * time.Second
	defaultAckInterval               = 200 * time.Millisecond
	defaultProposeBackoff            = 100 * time.Millisecond
	defaultSignTimeout               = 10 * time.Second
	defaultSuspectDelay              = 250 * time.Millisecond
	defaultBadNodeInterval           = time.Second
	defaultDrainTimeout              = time.Second
	defaultMaxPeers                  = 128
	leastPeerQuota                   = 128
	defaultMaxMessage                = 64 << 10
	maxMessage                       = 16 << 20
	defaultMaxPendingReports         = 1024
	defaultMaxVolatileBytes          = 16 << 20

	defaultMaxValidatorSeries uint64 = 128
)

const (
	maxInbox    = 1 << 26
	maxBytes    = min(1<<40, math.MaxInt) // a terabyte, or all that a 32-bit int counts
	maxDuration = 24 * time.Hour
)

// withDefaults returns a copy with every zero field filled in, or the *ConfigError of the first
// wrong field. It checks everything that the packages below need.
func (c Config) withDefaults() (Config, error) {
	check := checker{}
	if c.checkCollaborators(&check); check.err != nil {
		return c, check.err
	}
	c.checkIdentity(&check)
	c.completeRules(&check)
	c.completeLimits(&check)
	c.checkPool(&check)
	c.Journal.validate(&check)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Namespace = append([]byte(nil), c.Namespace...)
	c.Adopt = slices.Clone(c.Adopt)
	return c, check.err
}

// checkCollaborators checks the fields that are interfaces.
func (c *Config) checkCollaborators(check *checker) {
	for _, f := range []struct {
		name  string
		value any
		want  bool
	}{
		{"Schemes", c.Schemes, true}, {"Sequencers", c.Sequencers, true}, {"Monitor", c.Monitor, true},
		{"Automaton", c.Automaton, true}, {"Reporter", c.Reporter, true}, {"Sender", c.Sender, true},
		{"Sequencer", c.Sequencer, false}, {"Relay", c.Relay, c.Sequencer != nil},
		{"Metrics", c.Metrics, false}, {"Journal.Storage.FS", c.Journal.Storage.FS, false},
	} {
		check.collaborator(f.name, f.value, f.want)
	}
}

// checkIdentity checks the fields that say which network and process this is.
func (c *Config) checkIdentity(check *checker) {
	if len(c.Namespace) == 0 {
		check.fail("Namespace", "set: without one, signatures of another network count in this one", `""`)
	}
	if c.Sequencer != nil {
		if key := c.Sequencer.PublicKey(); key != c.Identity {
			check.fail("Identity", "the Sequencer's public key, "+key.String(), c.Identity)
		}
		if c.Identity == (wire.PublicKey{}) {
			check.fail("Identity", "set, for an engine with a Sequencer", c.Identity)
		}
	}
}

// completeRules completes the fields that determine what is accepted, and when something is done.
func (c *Config) completeRules(check *checker) {
	if c.Acks > AcksToSequencer {
		check.fail("Acks", "AcksToAll or AcksToSequencer", uint8(c.Acks))
	}
	c.SendCertificates = c.SendCertificates || c.Acks == AcksToSequencer
	bounded(check, "EpochsBack", &c.EpochsBack, defaultEpochsBack, 1, 1024)
	bounded(check, "EpochsAhead", &c.EpochsAhead, defaultEpochsAhead, 1, 1024)
	bounded(check, "HeightBound", &c.HeightBound, defaultHeightBound, 1, 1<<20)
	bounded(check, "Workers", &c.Workers, max(1, runtime.GOMAXPROCS(0)-1), 1, 1024)
	bounded(check, "BatchSize", &c.BatchSize, DefaultBatchSize, 1, 1<<16)
	bounded(check, "BatchDelay", &c.BatchDelay, 0, 0, time.Second)
	bounded(check, "RebroadcastTimeout", &c.RebroadcastTimeout, defaultRebroadcastTimeout, 1, maxDuration)
	if check.err == nil {
		// A node repeated within the interval gets no answer. The other sequencers are assumed to
		// rebroadcast like this one. Half the time leaves room for their jitter.
		bounded(check, "AckInterval", &c.AckInterval, max(1, min(defaultAckInterval, c.RebroadcastTimeout/2)), 1, maxDuration)
		if c.AckInterval > c.RebroadcastTimeout {
			check.fail("AckInterval", fmt.Sprintf("at most RebroadcastTimeout, %v", c.RebroadcastTimeout), c.AckInterval)
		}
	}
	bounded(check, "ProposeBackoff", &c.ProposeBackoff, defaultProposeBackoff, 1, maxDuration)
	bounded(check, "SignTimeout", &c.SignTimeout, defaultSignTimeout, 1, maxDuration)
	bounded(check, "SuspectDelay", &c.SuspectDelay, defaultSuspectDelay, 1, maxDuration)
	bounded(check, "BadNodeInterval", &c.BadNodeInterval, defaultBadNodeInterval, 1, maxDuration)
	bounded(check, "DrainTimeout", &c.DrainTimeout, defaultDrainTimeout, 1, maxDuration)
}

// completeLimits completes the limits on memory.
func (c *Config) completeLimits(check *checker) {
	peers, quota := c.defaultPeers()
	bounded(check, "PeerQuota", &c.PeerQuota, quota, 1, 1<<20)
	bounded(check, "MaxPeers", &c.MaxPeers, peers, 1, 1<<16)
	bounded(check, "MaxMessage", &c.MaxMessage, defaultMaxMessage, 512, maxMessage)
	bounded(check, "MaxVoteBytes", &c.MaxVoteBytes, DefaultMaxVoteBytes, 1<<20, maxBytes)
	bounded(check, "MaxPendingReports", &c.MaxPendingReports, defaultMaxPendingReports, 1, 1<<24)
	bounded(check, "MaxVolatileBytes", &c.MaxVolatileBytes, defaultMaxVolatileBytes, 64<<10, maxBytes)
	bounded(check, "MaxOutbox", &c.MaxOutbox, DefaultMaxOutbox, 1, 1<<24)
	bounded(check, "MaxValidatorSeries", &c.MaxValidatorSeries, defaultMaxValidatorSeries, 1, 1<<16)
	if int64(c.PeerQuota)*int64(c.MaxPeers) > maxInbox { // a 32-bit int may not hold the product
		check.fail("PeerQuota", fmt.Sprintf("at most %d (2^26 / MaxPeers)", maxInbox/c.MaxPeers), c.PeerQuota)
	}
}

// checkPool checks the pool, whose size must suffice for the workers.
func (c *Config) checkPool(check *checker) {
	if c.Pool != nil && c.Pool.IsClosed() {
		check.fail("Pool", "one that has not been released", "a released one")
	}
	if c.Pool != nil && c.Pool.Cap() > 0 && c.Pool.Cap() < c.Workers {
		check.fail("Pool", fmt.Sprintf("of at least %d workers (Workers)", c.Workers), c.Pool.Cap())
	}
}

// defaultPeers returns the defaults of MaxPeers and PeerQuota. For a large set there are more
// handles with smaller quotas: the room for waiting messages is reserved at the start.
func (c *Config) defaultPeers() (peers, quota int) {
	peers, quota = defaultMaxPeers, DefaultPeerQuota
	if sets, ok := c.Schemes.(interface{ peers() int }); ok && c.MaxPeers == 0 {
		most := maxInbox / max(c.PeerQuota, 1<<10)
		peers = max(peers, min(sets.peers()+sparePeers, most))
		quota = max(DefaultPeerQuota*defaultMaxPeers/peers, leastPeerQuota)
	}
	return peers, quota
}

// checker keeps the first error.
type checker struct{ err error }

func (c *checker) fail(field, want string, got any) {
	if c.err == nil {
		c.err = &ConfigError{Field: field, Want: want, Got: got}
	}
}

// unset checks that the embedder has left a field to the engine.
func (c *checker) unset(field string, got any, is bool) {
	if !is {
		c.fail(field, "unset: the engine sets it", got)
	}
}

// collaborator checks that an interface is set, if required, and that it never holds a nil pointer.
func (c *checker) collaborator(field string, value any, required bool) {
	if value == nil {
		if required {
			c.fail(field, "set", nil)
		}
		return
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice:
		if v.IsNil() {
			c.fail(field, "set, or no typed nil", fmt.Sprintf("a nil %T", value))
		}
	}
}

type number interface {
	~int | ~int64 | ~uint64
}

// bounded sets a zero field to the default, and an ExplicitZero to 0, and checks that any other
// value is from least to most.
func bounded[T number](c *checker, field string, value *T, unset, least, most T) {
	switch {
	case *value == 0:
		*value = unset
	case isNone(*value):
		*value = 0
	case *value < least || *value > most:
		want := fmt.Sprintf("0 (default) or %v to %v", least, most)
		if least == 0 {
			want = fmt.Sprintf("0 to %v", most)
		}
		if _, ok := any(*value).(uint64); ok {
			want += ", or ExplicitZero"
		}
		c.fail(field, want, *value)
	}
}

func isNone[T number](v T) bool {
	u, ok := any(v).(uint64)
	return ok && u == ExplicitZero
}
