package aggregate_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// model is the votes of one lane in maps: the obvious twin of Lane and Slot.
type model struct {
	slots        map[aggregate.Key]*modelSlot
	certificates map[aggregate.Key]int // payload
	past         map[uint64]int        // payload
	highest      uint64
	certified    bool
}

// past is for how many heights the lane remembers certificates.
const past = 4

func (m *model) remember(height uint64, p int) {
	maps.DeleteFunc(m.past, func(h uint64, _ int) bool { return m.highest-h >= past })
	m.past[height] = p
}

type modelSlot struct {
	votes   map[wire.Participant]int // payload
	spoiled map[wire.Participant]bool
	flying  map[int]bool // payloads
	failed  map[int]bool
	paused  map[int]bool
}

func (s *modelSlot) of(p int) (all []wire.Participant) {
	for i, v := range s.votes {
		if v == p {
			all = append(all, i)
		}
	}
	slices.Sort(all)
	return all
}

// flight is a statement that awaits its verdict, with what its votes were when it took off.
type flight struct {
	slot      *aggregate.Slot
	candidate *aggregate.Candidate
	payload   int
	of        *modelSlot
	statement *verify.Statement
	votes     map[wire.Participant]string
}

func TestALaneAgreesWithItsModel(t *testing.T) {
	const n, size = 7, 8
	s := scheme{n: n, size: size}
	rapid.Check(t, func(rt *rapid.T) {
		table := aggregate.NewTable(aggregate.Config{MaxBytes: plenty, Past: past, Poison: true})
		lane := table.Lane()
		m := model{slots: map[aggregate.Key]*modelSlot{}, certificates: map[aggregate.Key]int{}, past: map[uint64]int{}}
		var flights []flight
		floor, first, last := uint64(0), uint64(0), uint64(3)
		var quota aggregate.Quota
		key := func() aggregate.Key {
			return aggregate.Key{
				Height: floor + rapid.Uint64Range(0, 4).Draw(rt, "height"),
				Epoch:  rapid.Uint64Range(first, last).Draw(rt, "epoch"),
			}
		}
		closeIf := func(gone func(aggregate.Key) bool) {
			maps.DeleteFunc(m.slots, func(k aggregate.Key, _ *modelSlot) bool { return gone(k) })
		}
		rt.Repeat(map[string]func(*rapid.T){
			"vote": func(*rapid.T) {
				k, i := key(), wire.Participant(rapid.IntRange(0, n-1).Draw(rt, "validator"))
				p := rapid.IntRange(1, 2).Draw(rt, "payload")
				if _, held := m.certificates[k]; held {
					return // the core asks before it votes
				}
				slot := lane.Open(k, s, rapid.Bool().Draw(rt, "speculative"), &quota)
				ms := m.slots[k]
				if ms == nil {
					ms = &modelSlot{map[wire.Participant]int{}, map[wire.Participant]bool{}, map[int]bool{}, map[int]bool{}, map[int]bool{}}
					m.slots[k] = ms
				}
				want := aggregate.Counted
				switch v, voted := ms.votes[i]; {
				case ms.spoiled[i]:
					want = aggregate.Spoiled
				case voted && v == p:
					want = aggregate.Repeated
				case voted:
					want = aggregate.Conflicting
				default:
					ms.votes[i] = p
				}
				got, _ := slot.Vote(i, payload(p), signature(i, p, size))
				expect(rt, "vote", got, want)
			},
			"statement": func(*rapid.T) {
				k, p := key(), rapid.IntRange(1, 2).Draw(rt, "payload")
				slot, ms := lane.Slot(k), m.slots[k]
				if slot == nil || slot.Candidate(payload(p)) == nil {
					return
				}
				c := slot.Candidate(payload(p))
				suspects := wire.Signers{}
				if bits := rapid.IntRange(0, 3).Draw(rt, "suspects"); bits > 0 {
					suspects = wire.NewSigners(n)
					for i := range bits {
						suspects.Add(wire.Participant(i))
					}
				}
				with := rapid.Bool().Draw(rt, "with")
				first := rapid.IntRange(0, n-1).Draw(rt, "first")
				var trusted, doubted []wire.Participant
				for _, i := range ms.of(p) {
					if suspects.Has(i) {
						doubted = append(doubted, i)
					} else {
						trusted = append(trusted, i)
					}
				}
				quorum := verify.Quorum(n)
				ready := !ms.flying[p] && !ms.paused[p]
				var signing, suspect []wire.Participant
				switch {
				case ready && len(trusted) >= quorum:
					signing = trusted
					if !with {
						slices.SortFunc(signing, func(a, b wire.Participant) int {
							return (int(a)-first+n)%n - (int(b)-first+n)%n
						})
						signing = signing[:quorum]
					}
				case ready && with && len(trusted)+len(doubted) >= quorum:
					suspect = doubted[:quorum-len(trusted)]
					signing = append(trusted, suspect...)
				}
				var st *verify.Statement
				if with {
					st = c.Look(slices.Collect(suspects.All()))
				} else {
					st = c.Statement(suspects, wire.Participant(first))
				}
				if (st != nil) != (signing != nil) {
					rt.Fatalf("statement: %v, want signers %v", st, signing)
				}
				if st == nil {
					return
				}
				expect(rt, "suspects", st.Suspects.Count(), len(suspect))
				if ms.failed[p] { // others than before, of the same number
					expect(rt, "signers", st.Signers.Count(), len(signing))
					signing = slices.Collect(st.Signers.All())
					for _, i := range signing {
						v, voted := ms.votes[i]
						expect(rt, "a signer's vote", voted && v == p, true)
						expect(rt, "a signer that is suspect", suspects.Has(i) && (!with || len(suspect) > 0), st.Suspects.Has(i))
					}
				} else {
					expect(rt, "signers", st.Signers.Equal(signers(n, signing...)), true)
					for _, i := range suspect {
						expect(rt, "suspect", st.Suspects.Has(i), true)
					}
				}
				f := flight{slot, c, p, ms, st, map[wire.Participant]string{}}
				for _, i := range signing {
					f.votes[i] = string(signature(i, p, size))
				}
				ms.flying[p] = true
				flights = append(flights, f)
			},
			"settle": func(*rapid.T) {
				if len(flights) == 0 {
					return
				}
				at := rapid.IntRange(0, len(flights)-1).Draw(rt, "flight")
				f := flights[at]
				flights = slices.Delete(flights, at, at+1)
				var invalid []wire.Participant
				for i := range f.statement.Signers.All() {
					if rapid.IntRange(0, 3).Draw(rt, "bad") == 0 {
						invalid = append(invalid, i)
						delete(f.of.votes, i)
						f.of.spoiled[i] = true
					}
				}
				f.of.flying[f.payload] = false
				if rapid.IntRange(0, 9).Draw(rt, "failure") == 0 {
					expect(rt, "the slot's first failure", f.candidate.Fail(), len(f.of.failed) == 0)
					f.of.failed[f.payload], f.of.paused[f.payload] = true, true
				}
				f.slot.Settle(f.candidate, invalid)
			},
			"resume": func(*rapid.T) {
				k, p := key(), rapid.IntRange(1, 2).Draw(rt, "payload")
				if slot := lane.Slot(k); slot != nil && slot.Candidate(payload(p)) != nil {
					c := slot.Candidate(payload(p))
					expect(rt, "failed", c.Failed(), m.slots[k].failed[p])
					c.Resume()
					m.slots[k].paused[p] = false
				}
			},
			"certify": func(*rapid.T) {
				k, p := key(), rapid.IntRange(1, 8).Draw(rt, "payload")/8+1
				want := aggregate.Added
				below := m.certified && k.Height+1 < m.highest
				if below {
					want = aggregate.Below
					if m.highest-k.Height < past {
						want = aggregate.Late
					}
				}
				if pp, ok := m.past[k.Height]; ok && (k.Height >= m.highest || m.highest-k.Height < past) {
					want = aggregate.Known
					if pp != p {
						want = aggregate.Contradicted
					}
				}
				for held, hp := range m.certificates {
					switch {
					case held.Height != k.Height:
					case hp != p:
						want = aggregate.Contradicted
					case below || held.Epoch == k.Epoch:
						want = aggregate.Known
					}
				}
				got, _ := lane.Certify(aggregate.Certificate{Height: k.Height, Epoch: k.Epoch, Payload: payload(p)}, 0)
				expect(rt, "certify", got, want)
				if want == aggregate.Added {
					m.certificates[k] = p
					m.highest, m.certified = max(m.highest, k.Height), true
					closeIf(func(o aggregate.Key) bool { return o == k })
				}
				if want == aggregate.Late {
					m.remember(k.Height, p)
				}
			},
			"below": func(*rapid.T) {
				floor += rapid.Uint64Range(0, 2).Draw(rt, "up")
				lane.CloseBelow(floor)
				closeIf(func(k aggregate.Key) bool { return k.Height < floor })
			},
			"epochs": func(*rapid.T) {
				first += rapid.Uint64Range(0, 4).Draw(rt, "up") / 4
				last = first + 3
				lane.CloseEpochs(first, last)
				closeIf(func(k aggregate.Key) bool { return k.Epoch < first || k.Epoch > last })
			},
			"prune": func(*rapid.T) {
				tip := floor
				lane.PruneCertificates(tip, true, 0, func(c aggregate.Certificate) {
					k := aggregate.Key{Height: c.Height, Epoch: c.Epoch}
					if c.Height+1 >= m.highest || c.Height == tip || c.Height+1 == tip {
						rt.Fatalf("pruned %v", k)
					}
					if _, ok := m.past[c.Height]; !ok && m.highest-c.Height < past {
						m.remember(c.Height, m.certificates[k])
					}
					delete(m.certificates, k)
				})
			},
			"": func(rt *rapid.T) {
				votes := 0
				for k, ms := range m.slots {
					slot := lane.Slot(k)
					if slot == nil {
						rt.Fatalf("no slot %v", k)
					}
					votes += len(ms.votes)
					for p := 1; p <= 2; p++ {
						count := 0
						if c := slot.Candidate(payload(p)); c != nil {
							count = c.Count()
						}
						expect(rt, "count", count, len(ms.of(p)))
					}
				}
				expect(rt, "slots", lane.Slots(), len(m.slots))
				expect(rt, "votes", table.Votes(), votes)
				expect(rt, "certificates", len(lane.Certificates()), len(m.certificates))
				if (table.Bytes() == 0) != (len(m.slots) == 0 && !slices.ContainsFunc(flights, func(f flight) bool { return f.slot.Closed() })) {
					rt.Fatalf("%d bytes, %d slots, %d statements", table.Bytes(), len(m.slots), len(flights))
				}
				for _, f := range flights {
					for i, v := range f.votes {
						expect(rt, "vote in flight", string(f.statement.Vote(i)), v)
					}
				}
			},
		})
	})
}
