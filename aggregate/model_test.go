package aggregate

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// laneModel is the votes of one lane in maps: the obvious twin of Lane and slot.
type laneModel struct {
	slots        map[key]*slotModel
	certificates map[key]int    // payload
	past         map[uint64]int // payload
	highest      uint64
	certified    bool
}

// past is the number of heights for which the lane remembers certificates.
const past = 4

func (m *laneModel) remember(height uint64, p int) {
	maps.DeleteFunc(m.past, func(h uint64, _ int) bool { return m.highest-h >= past })
	m.past[height] = p
}

type slotModel struct {
	votes     map[wire.Participant]int // payload
	spoiled   map[wire.Participant]bool
	verifying map[int]bool // payloads
	failed    map[int]bool
	paused    map[int]bool
}

func (s *slotModel) of(p int) (all []wire.Participant) {
	for i, v := range s.votes {
		if v == p {
			all = append(all, i)
		}
	}
	slices.Sort(all)
	return all
}

// pendingStatement is a statement that awaits its verdict, with its votes at the time when it was
// made.
type pendingStatement struct {
	slot      *slot
	candidate *candidate
	payload   int
	of        *slotModel
	statement *verify.Statement
	votes     map[wire.Participant]string
}

func TestALaneAgreesWithItsModel(t *testing.T) {
	const n, size = 7, 8
	rapid.Check(t, func(rt *rapid.T) {
		set, weight := setOf(n, size), [n]uint64{1, 1, 1, 1, 1, 1, 1}
		if rapid.Bool().Draw(rt, "weighted") {
			copy(weight[:], rapid.SliceOfN(rapid.Uint64Range(1, 5), n, n).Draw(rt, "weights"))
			set = newSet(scheme{n: n, size: size, weights: weight[:]})
		}
		weigh := func(participants []wire.Participant) (sum uint64) {
			for _, i := range participants {
				sum += weight[i]
			}
			return sum
		}
		var all uint64
		for _, w := range weight {
			all += w
		}
		quorum := all - (all-1)/3
		votes := New(Config{MaxBytes: plenty, Past: past})
		lane := lane(votes)
		m := laneModel{slots: map[key]*slotModel{}, certificates: map[key]int{}, past: map[uint64]int{}}
		var pending []pendingStatement
		floor, first, last := uint64(0), uint64(0), uint64(3)
		draw := func() key {
			return key{
				height: floor + rapid.Uint64Range(0, 4).Draw(rt, "height"),
				epoch:  rapid.Uint64Range(first, last).Draw(rt, "epoch"),
			}
		}
		closeIf := func(gone func(key) bool) {
			maps.DeleteFunc(m.slots, func(k key, _ *slotModel) bool { return gone(k) })
		}
		rt.Repeat(map[string]func(*rapid.T){
			"vote": func(*rapid.T) {
				k, i := draw(), wire.Participant(rapid.IntRange(0, n-1).Draw(rt, "validator"))
				p := rapid.IntRange(1, 2).Draw(rt, "payload")
				if _, held := m.certificates[k]; held {
					return // the core asks before it votes
				}
				slot := lane.open(k, set, 0, rapid.Bool().Draw(rt, "ahead"))
				ms := m.slots[k]
				if ms == nil {
					ms = &slotModel{map[wire.Participant]int{}, map[wire.Participant]bool{}, map[int]bool{}, map[int]bool{}, map[int]bool{}}
					m.slots[k] = ms
				}
				want := Counted
				switch v, voted := ms.votes[i]; {
				case ms.spoiled[i]:
					want = Spoiled
				case voted && v == p:
					want = Repeated
				case voted:
					want = Conflicting
				default:
					ms.votes[i] = p
				}
				got, _ := slot.add(i, payload(p), signature(i, p, size))
				expect(rt, "vote", got, want)
			},
			"statement": func(*rapid.T) {
				k, p := draw(), rapid.IntRange(1, 2).Draw(rt, "payload")
				slot, ms := lane.slot(k), m.slots[k]
				if slot == nil || slot.find(payload(p)) == nil {
					return
				}
				c := slot.find(payload(p))
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
				ready := !ms.verifying[p] && !ms.paused[p]
				var signing, suspect []wire.Participant
				switch {
				case ready && weigh(trusted) >= quorum:
					signing = trusted
					if !with && set.quorums.heaviest == nil {
						slices.SortFunc(signing, func(a, b wire.Participant) int {
							return (int(a)-first+n)%n - (int(b)-first+n)%n
						})
						signing = signing[:quorum] // all weights are equal
					}
				case ready && with && weigh(trusted)+weigh(doubted) >= quorum:
					for weigh(trusted)+weigh(suspect) < quorum {
						suspect = doubted[:len(suspect)+1]
					}
					signing = append(trusted, suspect...)
				}
				var st *verify.Statement
				if with {
					st = check(c, slices.Collect(suspects.All()))
				} else {
					st = statement(c, suspects, wire.Participant(first))
				}
				if (st != nil) != (signing != nil) {
					rt.Fatalf("statement: %v, want signers %v", st, signing)
				}
				if st == nil {
					return
				}
				expect(rt, "suspects", st.Suspects.Count(), len(suspect))
				if ms.failed[p] || !with && set.quorums.heaviest != nil { // DELETEME
					if set.quorums.heaviest == nil {
						expect(rt, "signers", st.Signers.Count(), len(signing))
					}
					signing = slices.Collect(st.Signers.All())
					expect(rt, "a quorum", weigh(signing) >= quorum, true)
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
				f := pendingStatement{slot, c, p, ms, st, map[wire.Participant]string{}}
				for _, i := range signing {
					f.votes[i] = string(signature(i, p, size))
				}
				ms.verifying[p] = true
				pending = append(pending, f)
			},
			"resolve": func(*rapid.T) {
				if len(pending) == 0 {
					return
				}
				at := rapid.IntRange(0, len(pending)-1).Draw(rt, "pendingStatement")
				f := pending[at]
				pending = slices.Delete(pending, at, at+1)
				var invalid []wire.Participant
				for i := range f.statement.Signers.All() {
					if rapid.IntRange(0, 3).Draw(rt, "bad") == 0 {
						invalid = append(invalid, i)
						delete(f.of.votes, i)
						f.of.spoiled[i] = true
					}
				}
				f.of.verifying[f.payload] = false
				if rapid.IntRange(0, 9).Draw(rt, "failure") == 0 {
					expect(rt, "the slot's first failure", f.candidate.fail(), len(f.of.failed) == 0)
					f.of.failed[f.payload], f.of.paused[f.payload] = true, true
				}
				f.slot.resolve(f.candidate, invalid)
			},
			"resume": func(*rapid.T) {
				k, p := draw(), rapid.IntRange(1, 2).Draw(rt, "payload")
				if slot := lane.slot(k); slot != nil && slot.find(payload(p)) != nil {
					c := slot.find(payload(p))
					expect(rt, "failed", c.failures > 0, m.slots[k].failed[p])
					c.paused = false
					m.slots[k].paused[p] = false
				}
			},
			"certify": func(*rapid.T) {
				k, p := draw(), rapid.IntRange(1, 8).Draw(rt, "payload")/8+1
				want := Added
				below := m.certified && k.height+1 < m.highest
				if below {
					want = Below
					if m.highest-k.height < past {
						want = Late
					}
				}
				if pp, ok := m.past[k.height]; ok && (k.height >= m.highest || m.highest-k.height < past) {
					want = Known
					if pp != p {
						want = Contradicted
					}
				}
				for held, hp := range m.certificates {
					switch {
					case held.height != k.height:
					case hp != p:
						want = Contradicted
					case below || held.epoch == k.epoch:
						want = Known
					}
				}
				got, _ := lane.Certify(Certificate{Lock: certificate(k.height, k.epoch, payload(p))})
				expect(rt, "certify", got, want)
				if want == Added {
					m.certificates[k] = p
					m.highest, m.certified = max(m.highest, k.height), true
					closeIf(func(o key) bool { return o == k })
				}
				if want == Late {
					m.remember(k.height, p)
				}
			},
			"below": func(*rapid.T) {
				floor += rapid.Uint64Range(0, 2).Draw(rt, "up")
				lane.CloseBelow(floor)
				closeIf(func(k key) bool { return k.height < floor })
			},
			"epochs": func(*rapid.T) {
				first += rapid.Uint64Range(0, 4).Draw(rt, "up") / 4
				last = first + 3
				votes.SetBounds(first, last)
				lane.CloseOutOfBounds()
				closeIf(func(k key) bool { return k.epoch < first || k.epoch > last })
			},
			"prune": func(*rapid.T) {
				tip := floor
				for _, c := range lane.prune(tip, true, 0) {
					k := key{height: c.Chunk.Height, epoch: c.Epoch}
					if k.height+1 >= m.highest || k.height == tip || k.height+1 == tip {
						rt.Fatalf("pruned %v", k)
					}
					if _, ok := m.past[k.height]; !ok && m.highest-k.height < past {
						m.remember(k.height, m.certificates[k])
					}
					delete(m.certificates, k)
				}
			},
			"": func(rt *rapid.T) {
				waiting := 0
				for k, ms := range m.slots {
					slot := lane.slot(k)
					if slot == nil {
						rt.Fatalf("no slot %v", k)
					}
					waiting += len(ms.votes)
					for p := 1; p <= 2; p++ {
						count := 0
						if c := slot.find(payload(p)); c != nil {
							count = c.votes
						}
						expect(rt, "count", count, len(ms.of(p)))
					}
				}
				expect(rt, "slots", lane.Slots(), len(m.slots))
				expect(rt, "votes", votes.memory.votes, waiting)
				expect(rt, "certificates", len(lane.All()), len(m.certificates))
				if (votes.memory.bytes == 0) != (len(m.slots) == 0 && !slices.ContainsFunc(pending, func(f pendingStatement) bool { return f.slot.closed })) {
					rt.Fatalf("%d bytes, %d slots, %d pending", votes.memory.bytes, len(m.slots), len(pending))
				}
				for _, f := range pending {
					for i, v := range f.votes {
						expect(rt, "vote in pendingStatement", string(f.statement.Vote(i)), v)
					}
				}
			},
		})
	})
}
