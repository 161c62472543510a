package verify

import (
	"errors"
	"fmt"

	"github.com/lanecast/lanecast/verify/internal/curve"
	"github.com/lanecast/lanecast/wire"
)

// Gathering is one statement, for which Gather makes a combination, and the result.
type Gathering struct {
	Statement *Statement
	// Signers are the validators whose votes are combined, a subset of Statement.Signers. They are
	// not used if the statement has a certificate, which is opened instead.
	Signers wire.Signers

	// Combination and Unreadable are the results of [Scheme.Combine]; Combination and Err are those
	// of [Scheme.Open].
	Combination Combination
	Unreadable  []wire.Participant
	Err         error
}

// Gather combines the votes, or opens the certificate, of every statement, as the methods of its
// Scheme do. For many statements of this package's BLS schemes it takes less time than single
// calls: the certificates' signatures are read together, all signatures are checked for the
// subgroup together, and all messages are hashed together. The schemes may differ.
func Gather(gs []Gathering) {
	var byVariant [2][]*draft
	for i := range gs {
		g := &gs[i]
		g.Combination, g.Unreadable, g.Err = nil, nil, nil
		received := g.Statement.Certificate != nil
		var b blsSpecific
		switch s := g.Statement.Scheme.(type) { // exactly these types, not types that embed them
		case *Multisig:
			b = s
		case *Threshold:
			b = s
		}
		switch {
		case b != nil:
			if d := newDraft(b, g, received); d != nil {
				v := b.base().variant
				byVariant[v] = append(byVariant[v], d)
			}
		case received:
			if g.Combination, g.Err = g.Statement.Scheme.Open(g.Statement); g.Err != nil {
				g.Combination = nil // a scheme that refuses a certificate may still have opened it
			}
		default:
			g.Combination, g.Unreadable = g.Statement.Scheme.Combine(g.Statement, g.Signers)
		}
	}
	for _, drafts := range byVariant {
		if len(drafts) > 0 {
			finish(drafts)
		}
	}
}

// blsSpecific is the part in which the BLS schemes [Multisig] and [Threshold] differ.
type blsSpecific interface {
	base() *blsScheme
	// draft returns the draft of votes. It is nil if they make no combination.
	draft(s *Statement, signers wire.Signers) (d *draft, unreadable []wire.Participant)
	// knownKey returns the key that verifies a certificate of signers, if it is known. A key of
	// Multisig may not be known.
	knownKey(signers wire.Signers) (namedKey, bool)
}

func (e *blsScheme) base() *blsScheme { return e }

// draft is a combination that is not complete yet.
type draft struct {
	of        *Gathering
	scheme    blsSpecific
	encoded   []byte       // the signature of a certificate, to be read; nil for votes
	votes     curve.Points // the signature is their sum
	signature curve.Points // one point; nil for votes until they are added up
	signers   wire.Signers
	key       namedKey
	hash      curve.Points
}

var (
	errIdentity = errors.New("the identity")
	errSubgroup = errors.New("outside the subgroup")
	errNoKey    = errors.New("the signers' keys cancel")
	errNoPoint  = errors.New("not a point of the curve")
)

// fail records the reason why there is no combination. For votes that is no error.
func (d *draft) fail(err error) {
	if d.encoded != nil {
		d.of.Err = fmt.Errorf("verify: %w: its signature: %w", ErrCertificate, err)
	}
}

// newDraft returns the draft of a statement's certificate or votes, or nil if they make no
// combination.
func newDraft(b blsSpecific, g *Gathering, received bool) (d *draft) {
	if !received {
		if d, g.Unreadable = b.draft(g.Statement, g.Signers); d == nil {
			return nil
		}
	} else if d, g.Err = b.base().split(g.Statement.Certificate); g.Err != nil {
		return nil
	}
	d.of, d.scheme = g, b
	return d
}

// split splits a certificate, which is one signature, or a bitmap and one signature.
func (e *blsScheme) split(certificate []byte) (*draft, error) {
	signers, signature, err := e.format.SplitCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("verify: %w: %w", ErrCertificate, err)
	}
	if e.format.Kind == wire.SignersAndAggregate {
		if err := e.checkBitmap(signers); err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
		signers = signers.Clone() // signers is a view into bytes that must not be kept
	}
	return &draft{encoded: signature, signers: signers}, nil
}

// finish makes combinations of one or more drafts of one variant. It makes the checks that each
// signature needs separately.
func finish(drafts []*draft) {
	p := drafts[0].scheme.base().pairing
	drafts = p.readSignatures(drafts)
	p.sumVotes(drafts)
	p.findKeys(drafts)
	some := drafts[:0]
	for _, d := range drafts {
		switch {
		case p.curve.IsIdentity(d.signature, 0):
			d.fail(errIdentity)
		case d.key.identity: // e(S, g) ≠ 1 = e(H, 0)
			d.fail(errNoKey)
		default:
			some = append(some, d)
		}
	}
	drafts = p.inSubgroup(some)
	p.hashSubjects(drafts)
	for _, d := range drafts {
		d.of.Combination = &blsCombination{d.scheme.base(), equation{
			signature: d.signature, hash: d.hash, key: d.key.point, keyName: d.key.name, set: d.key.set, signers: d.signers,
		}}
	}
}

// readSignatures reads the signatures of certificates. It drops the drafts whose signatures are no
// points.
func (p *pairing) readSignatures(drafts []*draft) []*draft {
	var slab []byte
	var index []int
	for _, d := range drafts {
		if d.encoded != nil {
			slab = append(slab, d.encoded...)
			index = append(index, len(index))
		}
	}
	if len(index) == 0 {
		return drafts
	}
	points, malformed := p.curve.Read(p.sigGroup, slab, index, false)
	some := drafts[:0]
	place, point := 0, 0
	for _, d := range drafts {
		if d.encoded != nil {
			if len(malformed) > 0 && malformed[0] == place {
				malformed = malformed[1:]
				place++
				d.fail(errNoPoint)
				continue
			}
			d.signature = p.curve.Select(points, []int{point})
			place, point = place+1, point+1
		}
		some = append(some, d)
	}
	return some
}

// sumVotes adds up the votes of each draft that has any.
func (p *pairing) sumVotes(drafts []*draft) {
	var votes []curve.Points
	for _, d := range drafts {
		if d.votes != nil {
			votes = append(votes, d.votes)
		}
	}
	if len(votes) == 0 {
		return
	}
	sums, next := p.curve.Sums(votes...), 0
	for _, d := range drafts {
		if d.votes != nil {
			d.signature = p.curve.Select(sums, []int{next})
			next++
		}
	}
}

// findKeys finds the keys that verify the drafts. Key sums that a scheme does not remember are
// computed together, each once.
func (p *pairing) findKeys(drafts []*draft) {
	type missing struct {
		scheme  *Multisig
		signers string
	}
	var wanted []*draft // the first draft for each missing key
	var terms []curve.Points
	places := make(map[missing]int)
	for _, d := range drafts {
		var known bool
		if d.key, known = d.scheme.knownKey(d.signers); known {
			continue
		}
		m := missing{d.scheme.(*Multisig), string(d.signers.AppendTo(nil))}
		if _, listed := places[m]; !listed {
			places[m] = len(wanted)
			wanted, terms = append(wanted, d), append(terms, m.scheme.keyTerms(d.signers))
		}
	}
	if len(wanted) == 0 {
		return
	}
	sums := p.curve.Sums(terms...)
	for i, d := range wanted {
		d.key = d.scheme.(*Multisig).rememberKey(d.signers, p.curve.Select(sums, []int{i}))
	}
	for _, d := range drafts {
		if d.key.point == nil {
			d.key = wanted[places[missing{d.scheme.(*Multisig), string(d.signers.AppendTo(nil))}]].key
		}
	}
}

// inSubgroup drops the drafts whose signatures are outside the subgroup.
func (p *pairing) inSubgroup(drafts []*draft) []*draft {
	if len(drafts) == 0 {
		return nil
	}
	signatures := make([]curve.Points, len(drafts))
	for i, d := range drafts {
		signatures[i] = d.signature
	}
	outside := p.curve.Outside(p.curve.Join(signatures...))
	some := drafts[:0]
	for i, d := range drafts {
		if len(outside) > 0 && outside[0] == i {
			outside = outside[1:]
			d.fail(errSubgroup)
			continue
		}
		some = append(some, d)
	}
	return some
}

// hashSubjects finds the message hashes that the statements' acks sign. Hashes that a scheme does
// not remember are computed together, each once.
func (p *pairing) hashSubjects(drafts []*draft) {
	type missing struct {
		scheme  *blsScheme
		subject wire.Subject
	}
	places := make(map[missing]int)
	var messages [][]byte
	for _, d := range drafts {
		m := missing{d.scheme.base(), d.of.Statement.Subject}
		if _, known := places[m]; known {
			continue
		}
		var ok bool
		if d.hash, ok = m.scheme.hashes.find(m.subject); !ok {
			places[m] = len(messages)
			messages = append(messages, ackMessage(m.scheme.prefix, &m.subject))
		}
	}
	if len(messages) == 0 {
		return
	}
	hashes := p.curve.Hash(p.sigGroup, p.variant.messageTag(), messages...)
	points := make([]curve.Points, len(messages))
	for m, i := range places {
		points[i] = p.curve.Select(hashes, []int{i})
		m.scheme.hashes.add(m.subject, points[i])
	}
	for _, d := range drafts {
		if d.hash == nil {
			d.hash = points[places[missing{d.scheme.base(), d.of.Statement.Subject}]]
		}
	}
}

// combineAlone implements Combine for one statement, as Gather does.
func combineAlone(b blsSpecific, s *Statement, signers wire.Signers) (Combination, []wire.Participant) {
	g := Gathering{Statement: s, Signers: signers}
	if d := newDraft(b, &g, false); d != nil {
		finish([]*draft{d})
	}
	return g.Combination, g.Unreadable
}

// openAlone implements Open for one statement, as Gather does.
func openAlone(b blsSpecific, s *Statement) (Combination, error) {
	g := Gathering{Statement: s}
	if d := newDraft(b, &g, true); d != nil {
		finish([]*draft{d})
	}
	return g.Combination, g.Err
}
