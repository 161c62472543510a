package config

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/bodies"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Version is the version of the file formats.
const Version = 1

// Network holds the settings that all members of a network share. Their files are equal byte for
// byte.
type Network struct {
	Version    int    `json:"version"`
	Namespace  string `json:"namespace"`
	Scheme     string `json:"scheme"`
	Variant    string `json:"variant"`
	Signatures string `json:"signatures"`
	Acks       string `json:"acks"`
	Weights    string `json:"weights"` // source: equal, zipf or the name of a file
	// GroupKey is the key that verifies certificates of the threshold scheme.
	GroupKey   Hex      `json:"group_key,omitempty"`
	BatchSize  int      `json:"batch_size"`
	BatchDelay Duration `json:"batch_delay"`
	Seed       uint64   `json:"seed"` // for payloads, and for the randomness of links
	Link       Link     `json:"link"`
	Run        Run      `json:"run"`
	// Payload describes the bodies; without it, members are engines and chunks have no bodies.
	Payload *Payload `json:"payload,omitempty"`
	Members []Peer   `json:"members"`
}

// Link holds the delays and losses that each member applies to the messages and bytes that it
// sends; see package link for the details.
type Link struct {
	Latency   Duration `json:"latency"`
	Jitter    Duration `json:"jitter"`
	Bandwidth float64  `json:"bandwidth_mbit_per_s"` // of a member in total; 0: unlimited
	Loss      float64  `json:"loss"`
}

// Run is the time of measuring.
type Run struct {
	// Start is the begin of measuring, in RFC 3339; "": as soon as all members are connected.
	Start    string   `json:"start,omitempty"`
	Duration Duration `json:"duration"`
	// Wait bounds how long a member waits for all others. After that, a quorum is enough.
	Wait Duration `json:"wait"`
}

// Payload describes bodies. With bodies, members are replicas.
type Payload struct {
	Size int     `json:"size"`                 // bytes
	Rate float64 `json:"bodies_rate_per_lane"` // per second; 0: as fast as the lane takes them
	// Keep is the time for which a member keeps delivered bodies, for members that are behind or
	// away.
	Keep Duration `json:"keep"`
	// MembersPerDisk is the number of members that share the room of a disk.
	MembersPerDisk int `json:"members_per_disk"`
}

// Peer is the public part of a member.
type Peer struct {
	Identity  wire.PublicKey `json:"identity"`
	Address   string         `json:"address"` // address to which the others connect
	Validator bool           `json:"validator"`
	Sequencer bool           `json:"sequencer"`
	Follower  bool           `json:"follower,omitempty"` // neither of these; gets all bodies
	Weight    uint64         `json:"weight,omitempty"`
	Key       Hex            `json:"key,omitempty"`   // for its acks; unset: the identity
	Proof     Hex            `json:"proof,omitempty"` // of possession, in schemes that need it
}

// Bounds of values.
const (
	maxMembers  = 256
	maxDuration = 24 * time.Hour
	maxWait     = time.Hour
	maxLatency  = time.Minute
	leastMbit   = 1
	mostMbit    = 1e6
)

// ReadNetwork reads and checks a file, and returns the hash of its content as well.
func ReadNetwork(name string) (*Network, [sha256.Size]byte, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, [sha256.Size]byte{}, err
	}
	n, err := ParseNetwork(b)
	if err != nil {
		return nil, [sha256.Size]byte{}, fmt.Errorf("%s: %w", name, err)
	}
	return n, sha256.Sum256(b), nil
}

// ParseNetwork decodes and checks the content of a file.
func ParseNetwork(b []byte) (*Network, error) {
	var n Network
	if err := decode(b, &n); err != nil {
		return nil, err
	}
	return &n, n.Check()
}

// Encode returns the content of the file.
func (n *Network) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(n, "", "  ")
	return append(b, '\n'), err
}

// wrong returns the error about one field.
func wrong(field, want string, got any) error {
	return fmt.Errorf("%s must be %s, got %v", field, want, got)
}

// Check returns an error that names the first wrong field.
func (n *Network) Check() error {
	between := func(d Duration, least, most time.Duration) bool {
		return time.Duration(d) >= least && time.Duration(d) <= most
	}
	switch {
	case n.Version != Version:
		return wrong("version", fmt.Sprint(Version), n.Version)
	case n.Namespace == "" || len(n.Namespace) > 200:
		return wrong("namespace", "1 to 200 bytes", strconv.Quote(n.Namespace))
	case n.BatchSize < 1 || n.BatchSize > 65536:
		return wrong("batch_size", "1 to 65536", n.BatchSize)
	case !between(n.BatchDelay, 0, time.Second):
		return wrong("batch_delay", "0s to 1s", time.Duration(n.BatchDelay))
	case !between(n.Link.Latency, 0, maxLatency):
		return wrong("link.latency", "0s to 1m", time.Duration(n.Link.Latency))
	case !between(n.Link.Jitter, 0, maxLatency):
		return wrong("link.jitter", "0s to 1m", time.Duration(n.Link.Jitter))
	case n.Link.Bandwidth != 0 && !(n.Link.Bandwidth >= leastMbit && n.Link.Bandwidth <= mostMbit):
		return wrong("link.bandwidth_mbit_per_s", "0, or 1 to 1000000", n.Link.Bandwidth)
	case !(n.Link.Loss >= 0 && n.Link.Loss < 1):
		return wrong("link.loss", "0 to less than 1", n.Link.Loss)
	case !between(n.Run.Duration, 1, maxDuration):
		return wrong("run.duration", "above 0s, to 24h", time.Duration(n.Run.Duration))
	case !between(n.Run.Wait, 0, maxWait):
		return wrong("run.wait", "0s to 1h", time.Duration(n.Run.Wait))
	case len(n.Members) < 1 || len(n.Members) > maxMembers:
		return wrong("members", fmt.Sprintf("1 to %d", maxMembers), len(n.Members))
	}
	if _, err := n.StartTime(); err != nil {
		return err
	}
	if p := n.Payload; p != nil {
		switch {
		case p.Size < bodies.MinSize || p.Size > bodies.MaxSize:
			return wrong("payload.size", fmt.Sprintf("%d to %d", bodies.MinSize, bodies.MaxSize), p.Size)
		case !(p.Rate >= 0 && p.Rate <= bodies.MostRate):
			return wrong("payload.bodies_rate_per_lane", fmt.Sprintf("0 to %d", bodies.MostRate), p.Rate)
		case !between(p.Keep, time.Second, maxDuration):
			return wrong("payload.keep", "1s to 24h", time.Duration(p.Keep))
		case p.MembersPerDisk < 1 || p.MembersPerDisk > maxMembers:
			return wrong("payload.members_per_disk", fmt.Sprintf("1 to %d", maxMembers), p.MembersPerDisk)
		}
	}
	if err := n.checkMembers(); err != nil {
		return err
	}
	cfg := n.Setup()
	// The settings that are also flags; its errors name the flags.
	if err := cfg.Check(); err != nil {
		return err
	}
	_, err := n.NewScheme()
	return err
}

func (n *Network) checkMembers() error {
	identities, addresses := make(map[wire.PublicKey]int), make(map[string]int)
	for i := range n.Members {
		p := &n.Members[i]
		field := func(name string) string { return fmt.Sprintf("members[%d].%s", i, name) }
		if err := verify.CheckIdentity(p.Identity); err != nil {
			return fmt.Errorf("%s: %w", field("identity"), err)
		}
		if err := checkAddress(p.Address); err != nil {
			return fmt.Errorf("%s: %w", field("address"), err)
		}
		if other, twice := identities[p.Identity]; twice {
			return fmt.Errorf("%s is that of members[%d]; each member has its own", field("identity"), other)
		}
		if other, twice := addresses[p.Address]; twice {
			return fmt.Errorf("%s is that of members[%d]; each member has its own", field("address"), other)
		}
		identities[p.Identity], addresses[p.Address] = i, i
		switch {
		case p.Follower && (p.Validator || p.Sequencer || n.Payload == nil):
			return fmt.Errorf("members[%d] is a follower: then it is no validator, no sequencer, and there are bodies", i)
		case !p.Validator && !p.Sequencer && !p.Follower:
			return fmt.Errorf("members[%d] is neither validator nor sequencer nor follower", i)
		case !p.Validator && (p.Weight != 0 || len(p.Key) > 0 || len(p.Proof) > 0):
			return fmt.Errorf("members[%d] is no validator, and has a weight, key or proof", i)
		case p.Validator && i > 0 && !n.Members[i-1].Validator:
			return fmt.Errorf("members[%d] is a validator after one that is none; validators come first", i)
		case p.Weight > verify.MaxWeight:
			return wrong(field("weight"), "at most 2^62", p.Weight)
		}
	}
	if !n.Members[0].Validator {
		return fmt.Errorf("members[0] is no validator; validators come first")
	}
	if !slices.ContainsFunc(n.Members, func(p Peer) bool { return p.Sequencer }) {
		return fmt.Errorf("members: none is a sequencer")
	}
	return nil
}

// checkAddress refuses an address that cannot be dialled.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is no HOST:PORT", address)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 || host == "" {
		return fmt.Errorf("%q must have a host, and a port from 1 to 65535", address)
	}
	return nil
}

// StartTime returns the agreed begin of measuring, the zero time if there is none.
func (n *Network) StartTime() (time.Time, error) {
	if n.Run.Start == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, n.Run.Start)
	if err != nil {
		return t, wrong("run.start", "a time such as 2026-01-31T18:00:00Z", strconv.Quote(n.Run.Start))
	}
	return t, nil
}

// Validators returns the number of validators; they are the first members.
func (n *Network) Validators() (count int) {
	for i := range n.Members {
		if n.Members[i].Validator {
			count++
		}
	}
	return count
}

// Followers returns the members that get bodies and are neither validators nor sequencers.
func (n *Network) Followers() (ids []wire.PublicKey) {
	for i := range n.Members {
		if n.Members[i].Follower {
			ids = append(ids, n.Members[i].Identity)
		}
	}
	return ids
}

// Lanes returns the sequencers, ascending.
func (n *Network) Lanes() (lanes []wire.PublicKey) {
	for i := range n.Members {
		if n.Members[i].Sequencer {
			lanes = append(lanes, n.Members[i].Identity)
		}
	}
	slices.SortFunc(lanes, wire.PublicKey.Compare)
	return lanes
}

// Setup returns the settings in the form that the flags of a cluster in one process have.
func (n *Network) Setup() setup.Config {
	cfg := *setup.Default()
	cfg.Validators, cfg.Sequencers = n.Validators(), len(n.Lanes())
	cfg.Scheme, cfg.Variant, cfg.Signatures = n.Scheme, n.Variant, n.Signatures
	cfg.Acks, cfg.Weights = n.Acks, n.Weights
	cfg.BatchSize, cfg.BatchDelay = n.BatchSize, time.Duration(n.BatchDelay)
	cfg.Duration, cfg.Seed = time.Duration(n.Run.Duration), n.Seed
	cfg.Explicit = func(flag string) bool { return flag == "seed" }
	cfg.Voting = make([]uint64, 0, cfg.Validators)
	for i := range cfg.Validators {
		cfg.Voting = append(cfg.Voting, n.Members[i].Weight)
	}
	return cfg
}

// NewScheme returns a scheme instance that shares nothing with others.
func (n *Network) NewScheme() (verify.Scheme, error) {
	cfg := n.Setup()
	validators := make([]verify.Validator, n.Validators())
	for i := range validators {
		p := &n.Members[i]
		validators[i] = verify.Validator{Identity: p.Identity, Weight: p.Weight, Key: p.Key, Proof: p.Proof}
	}
	// The keys serve only to make load, so the time of signing may depend on the key.
	options := verify.Config{
		Namespace: []byte(n.Namespace), Variant: cfg.BLSVariant(), AckEncoding: cfg.AckEncoding(), AllowVariableTimeSigning: true,
	}
	switch cfg.Kind() {
	case testkit.Multisig:
		return scheme(verify.NewMultisig(options, validators))
	case testkit.Threshold:
		slices.SortFunc(validators, func(a, b verify.Validator) int { return a.Identity.Compare(b.Identity) })
		var ids []wire.PublicKey
		var shares [][]byte
		for _, v := range validators {
			if v.Weight != 0 {
				return nil, fmt.Errorf("members: weights are not for the threshold scheme")
			}
			ids, shares = append(ids, v.Identity), append(shares, v.Key)
		}
		return scheme(verify.NewThreshold(options, ids, n.GroupKey, shares))
	case testkit.Ed25519:
		return scheme(verify.NewWeightedEd25519(options.Namespace, validators))
	case testkit.Secp256r1:
		return scheme(verify.NewSecp256r1(options.Namespace, validators))
	}
	return nil, wrong("scheme", "multisig, threshold, ed25519 or secp256r1", strconv.Quote(n.Scheme))
}

// scheme keeps a nil pointer from becoming a Scheme.
func scheme[S verify.Scheme](s S, err error) (verify.Scheme, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// StaticEpochs returns the sets for a member with its signer of acks, which is nil if it is no
// validator.
func (n *Network) StaticEpochs(s verify.Scheme, signer verify.AckSigner) (*engine.StaticEpochs, error) {
	return engine.NewStaticEpochs(s, signer, n.Lanes())
}

// Index returns the index of an identity among the members.
func (n *Network) Index(id wire.PublicKey) (int, bool) {
	i := slices.IndexFunc(n.Members, func(p Peer) bool { return p.Identity == id })
	return i, i >= 0
}
