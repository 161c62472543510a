package config

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/bodies"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
)

// Plan is the input of Init.
type Plan struct {
	setup.Config
	Addresses []string // of the members
	Own       int      // verification workers of each member; 0: its machine's processors − 1
	Link      Link
	Run       Run
	Bodies    bodies.Load
	Keep      time.Duration // see Payload
	PerDisk   int           // likewise
}

// Members returns the planned number of members.
func (p *Plan) Members() int { return max(p.Validators, p.Sequencers) + p.Bodies.Follow }

// secrets are the keys that only their member knows.
type secrets struct {
	identity ed25519.PrivateKey
	ackKey   []byte // nil if the member has none
}

// Init draws the keys of a network and writes the folders of its members below dir, which is new or
// empty. For a threshold scheme it is the trusted dealer.
func Init(dir string, p *Plan) error {
	if members := p.Members(); len(p.Addresses) != members {
		return cli.Usagef("--address is needed once for each member: %d for %d validators, %d sequencers and %d followers, got %d",
			members, p.Validators, p.Sequencers, p.Bodies.Follow, len(p.Addresses))
	}
	n, own, err := draw(p)
	if err != nil {
		return err
	}
	if err := n.Check(); err != nil {
		return cli.Usagef("%v", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err != nil {
		return err
	} else if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() != "lost+found" }) {
		return cli.Usagef("%s holds files; name an empty or a new folder: keys are never overwritten", dir)
	}
	shared, err := n.Encode()
	if err != nil {
		return err
	}
	for i := range n.Members {
		if err := writeFolder(filepath.Join(dir, MemberFolder(i+1)), n, i, own[i], p.Own, shared); err != nil {
			return err
		}
	}
	return writeNew(filepath.Join(dir, NetworkName), shared, 0o644)
}

// draw makes the keys of all members.
func draw(p *Plan) (*Network, []secrets, error) {
	tag := make([]byte, 8)
	if _, err := rand.Read(tag); err != nil {
		return nil, nil, err
	}
	n := &Network{
		Version: Version, Namespace: setup.Namespace + "-" + hex.EncodeToString(tag), Scheme: p.Scheme, Variant: p.Variant,
		Signatures: p.Signatures, Acks: p.Config.Acks, Weights: p.Weights, BatchSize: p.BatchSize, BatchDelay: Duration(p.BatchDelay),
		Seed: p.Seed, Link: p.Link, Run: p.Run, Members: make([]Peer, len(p.Addresses)),
	}
	if p.Bodies.On() {
		n.Payload = &Payload{Size: p.Bodies.Size, Rate: p.Bodies.Rate, Keep: Duration(p.Keep), MembersPerDisk: p.PerDisk}
	}
	own := make([]secrets, len(p.Addresses))
	for i := range own {
		var err error
		if _, own[i].identity, err = ed25519.GenerateKey(nil); err != nil {
			return nil, nil, err
		}
	}
	// Participants are numbered in the order of their identities, so the validators among the
	// members are too.
	slices.SortFunc(own[:p.Validators], func(a, b secrets) int {
		return testkit.Identity(a.identity).Compare(testkit.Identity(b.identity))
	})
	for i := range own {
		m := &n.Members[i]
		m.Identity = testkit.Identity(own[i].identity)
		m.Address, m.Validator, m.Sequencer = p.Addresses[i], i < p.Validators, i < p.Sequencers
		m.Follower = !m.Validator && !m.Sequencer
		if m.Validator && p.Voting != nil {
			m.Weight = p.Voting[i]
		}
	}
	return n, own, drawAckKeys(p, n, own)
}

// drawAckKeys makes the keys of acks, in schemes where they are not the identities.
func drawAckKeys(p *Plan, n *Network, own []secrets) error {
	variant := p.BLSVariant()
	switch p.Kind() {
	case testkit.Multisig:
		for i := range p.Validators {
			key, err := verify.GenerateSecretKey(variant, nil)
			if err != nil {
				return err
			}
			own[i].ackKey, n.Members[i].Key, n.Members[i].Proof = key.Bytes(), key.PublicKey(), key.ProofOfPossession([]byte(n.Namespace))
		}
	case testkit.Threshold:
		dealt, err := testkit.Deal(variant, p.Validators, nil)
		if err != nil {
			return err
		}
		n.GroupKey = dealt.GroupKey
		for i := range p.Validators {
			own[i].ackKey, n.Members[i].Key = dealt.Shares[i].Bytes(), dealt.ShareKeys[i]
		}
	case testkit.Secp256r1:
		for i := range p.Validators {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				return err
			}
			if own[i].ackKey, err = key.Bytes(); err != nil {
				return err
			}
			if n.Members[i].Key, err = testkit.CompressSecp256r1(&key.PublicKey); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeFolder writes the folder of member i.
func writeFolder(dir string, n *Network, i int, own secrets, workers int, shared []byte) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	m := Member{
		Version: Version, Number: i + 1, Listen: listenAt(n.Members[i].Address), Workers: workers, IdentityKey: identityKeyName, Journal: journalName,
	}
	if err := writeKey(filepath.Join(dir, identityKeyName), own.identity.Seed()); err != nil {
		return err
	}
	if n.Payload != nil {
		m.Journal = replicaName
	}
	if own.ackKey != nil {
		m.AckKey = ackKeyName
		if err := writeKey(filepath.Join(dir, ackKeyName), own.ackKey); err != nil {
			return err
		}
	}
	if err := writeNew(filepath.Join(dir, NetworkName), shared, 0o644); err != nil {
		return err
	}
	b, err := m.encode()
	if err != nil {
		return err
	}
	return writeNew(filepath.Join(dir, memberName), b, 0o644)
}

// listenAt returns the address at which a member listens: its own address on the loopback,
// otherwise all interfaces, since the address may belong to a router in front of the member.
func listenAt(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return address
	}
	return ":" + port
}

// DefaultKeep is the time for which members keep bodies.
const DefaultKeep = time.Minute

// DefaultWait bounds how long members wait for each other.
const DefaultWait = time.Minute

// Summary describes each member of the new network in one line.
func (n *Network) Summary(dir string) (lines []string) {
	for i := range n.Members {
		p := &n.Members[i]
		lines = append(lines, fmt.Sprintf("%s  %v  %s", filepath.Join(dir, MemberFolder(i+1)), p.Identity, p.Address))
	}
	return lines
}
