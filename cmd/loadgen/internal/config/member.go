package config

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Names of files. The files of a member are in its folder.
const (
	NetworkName     = "network.json"
	memberName      = "member.json"
	identityKeyName = "identity.key"
	ackKeyName      = "ack.key"
	journalName     = "journal"
	replicaName     = "replica"
)

// MemberFolder returns the name of a member's folder; members are numbered from 1.
func MemberFolder(number int) string { return fmt.Sprintf("member-%04d", number) }

// Member holds the settings of one member.
type Member struct {
	Version int `json:"version"`
	Number  int `json:"member"` // number of the member in its network, from 1
	// Listen is the address at which the member accepts connections.
	Listen string `json:"listen"`
	// Workers are the engine's verification workers; 0: processors − 1, at least 1.
	Workers int `json:"workers"`
	// Names of files and folders are relative to the member's folder. Journal is the folder of the
	// engine's journal; with bodies, the folder of a replica's journal and archive.
	IdentityKey string `json:"identity_key"`
	AckKey      string `json:"ack_key,omitempty"` // unset: none, or the identity key
	Journal     string `json:"journal"`
}

// Folder is a member's folder, read and checked.
type Folder struct {
	Dir      string
	Member   Member
	Network  *Network
	Hash     [32]byte // SHA-256 of the network's file
	Identity ed25519.PrivateKey
	ackKey   []byte
}

// Open reads a member's folder.
func Open(dir string) (*Folder, error) {
	f := &Folder{Dir: dir}
	name := filepath.Join(dir, memberName)
	b, err := os.ReadFile(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is no member's folder, which «loadgen init» makes: %w", dir, err)
		}
		return nil, err
	}
	if err := decode(b, &f.Member); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if f.Network, f.Hash, err = ReadNetwork(filepath.Join(dir, NetworkName)); err != nil {
		return nil, err
	}
	if err := f.Member.check(f.Network); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	seed, err := readKey(filepath.Join(dir, f.Member.IdentityKey), ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	f.Identity = ed25519.NewKeyFromSeed(seed)
	if f.ID() != f.Self().Identity {
		return nil, fmt.Errorf("%s is the key of %v, and members[%d] of the network is %v",
			filepath.Join(dir, f.Member.IdentityKey), f.ID(), f.Member.Number-1, f.Self().Identity)
	}
	if f.Member.AckKey != "" {
		f.ackKey, err = readKey(filepath.Join(dir, f.Member.AckKey), keySize)
	}
	return f, err
}

func (m *Member) check(n *Network) error {
	switch {
	case m.Version != Version:
		return wrong("version", fmt.Sprint(Version), m.Version)
	case m.Number < 1 || m.Number > len(n.Members):
		return wrong("member", fmt.Sprintf("1 to %d, as many as the network has", len(n.Members)), m.Number)
	case m.Workers < 0 || m.Workers > 1024:
		return wrong("workers", "0 to 1024", m.Workers)
	case m.IdentityKey == "":
		return errors.New("identity_key is missing")
	case m.Journal == "":
		return errors.New("journal is missing")
	}
	if _, _, err := net.SplitHostPort(m.Listen); err != nil {
		return wrong("listen", "[HOST]:PORT", m.Listen)
	}
	wantsKey := len(n.Members[m.Number-1].Key) > 0
	if wantsKey != (m.AckKey != "") {
		return fmt.Errorf("ack_key: %q does not go with the member's key in the network", m.AckKey)
	}
	return nil
}

// ID returns the member's identity.
func (f *Folder) ID() wire.PublicKey {
	return wire.PublicKey(f.Identity.Public().(ed25519.PublicKey))
}

// Self returns the member's entry in the network's file.
func (f *Folder) Self() *Peer { return &f.Network.Members[f.Member.Number-1] }

// JournalDir returns the journal's folder.
func (f *Folder) JournalDir() string {
	if filepath.IsAbs(f.Member.Journal) {
		return f.Member.Journal
	}
	return filepath.Join(f.Dir, f.Member.Journal)
}

// AckSigner returns the signer of the member's acks in a scheme; nil if the member is no validator.
func (f *Folder) AckSigner(s verify.Scheme) (verify.AckSigner, error) {
	if !f.Self().Validator {
		return nil, nil
	}
	switch s := s.(type) {
	case interface {
		Signer(*verify.SecretKey) (verify.AckSigner, error)
	}:
		cfg := f.Network.Setup()
		key, err := verify.SecretKeyFromBytes(cfg.BLSVariant(), f.ackKey)
		if err != nil {
			return nil, err
		}
		return s.Signer(key)
	case *verify.Secp256r1:
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), f.ackKey)
		if err != nil {
			return nil, err
		}
		return s.Signer(key)
	case *verify.Ed25519:
		return s.Signer(f.Identity)
	}
	return nil, fmt.Errorf("no signer for a %T", s)
}

const keySize = 32

// readKey reads a file of hexadecimal digits. It refuses a file that other users may read.
func readKey(name string, size int) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read by others (%v): chmod 600 it", name, info.Mode().Perm())
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != size {
		return nil, fmt.Errorf("%s is no key file: it must hold %d hexadecimal digits", name, 2*size)
	}
	return key, nil
}

// writeNew writes a file that must not exist yet.
func writeNew(name string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func writeKey(name string, key []byte) error {
	return writeNew(name, fmt.Appendf(nil, "%x\n", key), 0o600)
}

func (m *Member) encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}
