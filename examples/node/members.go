package main

import (
	"bufio"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// member is one line of the list: EPOCH IDENTITY ADDRESS.
type member struct {
	id      wire.PublicKey
	address string
}

// readMembers reads the members of each epoch. It ignores lines that are empty or begin with #.
func readMembers(name string) (map[uint64][]member, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	members := make(map[uint64][]member)
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("%s:%d: want EPOCH IDENTITY ADDRESS", name, number)
		}
		epoch, err := strconv.ParseUint(fields[0], 10, 64)
		id, keyErr := hex.DecodeString(fields[1])
		if err != nil || keyErr != nil || len(id) != len(wire.PublicKey{}) {
			return nil, fmt.Errorf("%s:%d: want the number of an epoch, and 64 hexadecimal digits", name, number)
		}
		members[epoch] = append(members[epoch], member{wire.PublicKey(id), fields[2]})
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("%s names no member", name)
	}
	return members, nil
}

type epochs = engine.Epochs // embedded under this name, because it has a method Epochs

// sets are the validators and sequencers of each epoch, which are the same here. Any goroutine may
// use them.
type sets struct {
	*epochs
	namespace []byte
	key       ed25519.PrivateKey

	mu      sync.Mutex
	members map[uint64][]member // by epoch; only epochs that were added
}

// newest returns the newest epoch that has members.
func newest(members map[uint64][]member) uint64 {
	return slices.Max(slices.Collect(maps.Keys(members)))
}

func newSets(namespace []byte, key ed25519.PrivateKey, members map[uint64][]member) (*sets, error) {
	s := &sets{
		epochs: engine.NewEpochs(newest(members)), namespace: namespace, key: key, members: make(map[uint64][]member),
	}
	return s, s.add(members)
}

// add adds the epochs that are not known yet, all before any of them begins. In known epochs only
// addresses may change.
func (s *sets) add(members map[uint64][]member) error {
	for _, epoch := range slices.Sorted(maps.Keys(members)) {
		s.mu.Lock()
		former, known := s.members[epoch]
		same := sameIdentities(former, members[epoch])
		if same {
			s.members[epoch] = members[epoch]
		}
		s.mu.Unlock()
		switch {
		case known && same:
			continue
		case known:
			return fmt.Errorf("epoch %d: its members have changed, but a known epoch must not change: add a later epoch", epoch)
		}
		var ids []wire.PublicKey
		for _, m := range members[epoch] {
			ids = append(ids, m.id)
		}
		scheme, err := verify.NewEd25519(s.namespace, ids)
		if err != nil {
			return fmt.Errorf("epoch %d: %w", epoch, err)
		}
		var signer verify.AckSigner // nil in an epoch in which we are no validator
		if slices.Contains(ids, wire.PublicKey(s.key.Public().(ed25519.PublicKey))) {
			if signer, err = scheme.Signer(s.key); err != nil {
				return fmt.Errorf("epoch %d: %w", epoch, err)
			}
		}
		if err := s.Add(epoch, scheme, signer, ids); err != nil {
			return fmt.Errorf("epoch %d: %w", epoch, err)
		}
		s.mu.Lock()
		s.members[epoch] = members[epoch]
		s.mu.Unlock()
	}
	return nil
}

func sameIdentities(a, b []member) bool {
	return slices.EqualFunc(a, b, func(x, y member) bool { return x.id == y.id })
}

// reload reads the list again and enters the newest epoch in it. If the list is wrong, the error is
// logged and nothing changes.
func (s *sets) reload(o *options, transport network.Transport) {
	members, err := readMembers(o.members)
	if err == nil {
		err = s.add(members)
	}
	if err == nil && newest(members) > s.Current() {
		err = s.Advance(newest(members))
	}
	if err != nil {
		o.log.Error("the list of members was refused; the old one stays in use", "error", err)
		return
	}
	transport.Recheck()
}

// lately returns the members of the current epoch and of one epoch before and after it, whose
// messages are accepted.
func (s *sets) lately() (all []member) {
	current := s.Current()
	s.mu.Lock()
	defer s.mu.Unlock()
	for epoch, members := range s.members {
		if epoch+1 >= current && epoch <= current+1 {
			all = append(all, members...)
		}
	}
	return all
}

func (s *sets) addresses() map[wire.PublicKey]string {
	all := make(map[wire.PublicKey]string)
	for _, m := range s.lately() {
		all[m.id] = m.address
	}
	return all
}

func (s *sets) admit(id wire.PublicKey) network.Role {
	if slices.ContainsFunc(s.lately(), func(m member) bool { return m.id == id }) {
		return network.Member
	}
	return network.Refused
}
