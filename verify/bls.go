package verify

import (
	"slices"

	"github.com/lanecast/lanecast/verify/internal/curve"
	"github.com/lanecast/lanecast/wire"
)

// hashesRemembered bounds the cache of hashed messages. It is well above the number of (chunk,
// epoch) pairs in flight at once, whose hashes are needed repeatedly.
const hashesRemembered = 4096

// blsScheme is the part that [Multisig] and [Threshold] share: the set, its keys, and the
// verification of votes one by one.
type blsScheme struct {
	validatorSet
	*pairing
	config Config
	format wire.Format
	prefix []byte       // of the bytes that acks sign
	keys   curve.Points // key i is of participant i; all in the subgroup, none the identity
	hashes *cache[wire.Subject, curve.Points]
}

// InNamespace reports whether the set's acks are signed under namespace.
func (e *blsScheme) InNamespace(namespace []byte) bool { return signedIn(e.prefix, namespace) }

func newBLSScheme(c Config, set validatorSet, kind wire.CertificateKind) blsScheme {
	c.Namespace = slices.Clone(c.Namespace)
	size := c.Variant.signatures().Compressed()
	ack := size
	if c.AckEncoding == Uncompressed {
		ack = 2 * size
	}
	return blsScheme{
		validatorSet: set,
		pairing:      newPairing(c.Variant),
		config:       c,
		format:       wire.Format{Kind: kind, Participants: set.len(), Signature: size, AckSignature: ack},
		prefix:       prefix(c.Namespace, ackSuffix),
		hashes:       newCache[wire.Subject, curve.Points](hashesRemembered),
	}
}

// blsGroup is the Group of every scheme of one variant. The equation to check is the same for all
// of them.
type blsGroup Variant

// Format implements [Scheme].
func (e *blsScheme) Format() wire.Format { return e.format }

// Group implements [Scheme]: combinations of all BLS schemes of one variant, multisig and
// threshold, may be checked together.
func (e *blsScheme) Group() any { return blsGroup(e.variant) }

// Variant returns the groups in which the scheme's signatures and keys lie.
func (e *blsScheme) Variant() Variant { return e.variant }

// hash returns the hash of the message that acks on subject sign, a point.
func (e *blsScheme) hash(subject wire.Subject) curve.Points {
	return e.hashes.get(subject, func() curve.Points {
		return e.curve.Hash(e.sigGroup, e.variant.messageTag(), ackMessage(e.prefix, &subject))
	})
}

// votePoints holds votes that have been read. Point i is the vote of participants[i]. It is on the
// curve; its subgroup is not known.
type votePoints struct {
	points       curve.Points
	participants []int
}

// read reads the votes of signers, and returns in unreadable those that cannot be read.
func (e *blsScheme) read(s *Statement, signers wire.Signers) (v votePoints, unreadable []wire.Participant) {
	present, unreadable := e.votes(s, signers, e.format.AckSignature)
	return e.readVotes(s, present, unreadable)
}

// readVotes reads the votes of present. It adds those that cannot be read to absent.
func (e *blsScheme) readVotes(s *Statement, present []int, absent []wire.Participant) (votePoints, []wire.Participant) {
	points, malformed := e.curve.Read(e.sigGroup, s.Slab, present, e.config.AckEncoding == Uncompressed)
	if len(malformed) == 0 {
		return votePoints{points, present}, absent
	}
	unreadable := absent
	for _, i := range malformed {
		unreadable = append(unreadable, wire.Participant(present[i]))
		present[i] = -1
	}
	slices.Sort(unreadable)
	present = slices.DeleteFunc(present, func(i int) bool { return i < 0 })
	return votePoints{points, present}, unreadable
}

// InvalidVotes implements [Scheme]. Every signature is checked for subgroup and identity by itself.
// Then all of them, which are on one message, are verified in one equation, each under a random
// weight w of its own:
//
//	e(Σ wᵢ·σᵢ, −g) · e(H, Σ wᵢ·kᵢ) = 1
//
// When that fails, bisection with fresh weights finds the invalid ones.
func (e *blsScheme) InvalidVotes(s *Statement, signers wire.Signers) (invalid []wire.Participant) {
	v, invalid := e.read(s, signers)
	sound := make([]int, 0, len(v.participants))
	unsound := e.unsound(v.points)
	for i, p := range v.participants {
		if len(unsound) > 0 && unsound[0] == i {
			unsound = unsound[1:]
			invalid = append(invalid, wire.Participant(p))
		} else {
			sound = append(sound, i)
		}
	}
	if len(sound) > 0 {
		h := e.hash(s.Subject)
		for _, i := range bisect(sound, untested, func(part []int) outcome { return e.eachVerifies(v, part, h) }) {
			invalid = append(invalid, wire.Participant(v.participants[i]))
		}
	}
	slices.Sort(invalid)
	return invalid
}

// eachVerifies tests the sound votes at the positions in part, with a weight for each.
func (e *blsScheme) eachVerifies(v votePoints, part []int, h curve.Points) outcome {
	who := make([]int, len(part))
	for k, i := range part {
		who[k] = v.participants[i]
	}
	sigs, keys := e.curve.Select(v.points, part), e.curve.Select(e.keys, who)
	if len(part) > 1 {
		ws := weights(len(part))
		sigs, keys = e.curve.MulSum(sigs, ws), e.curve.MulSum(keys, ws)
	}
	if e.cancel(e.curve.Join(sigs, h), e.curve.Join(e.minusOne, keys)) {
		return good
	}
	return bad
}

// blsCombination is the equation of a certificate.
type blsCombination struct {
	scheme *blsScheme
	equation
}

// namedKey is a key that verifies certificates, with its name in equations.
type namedKey struct {
	point    curve.Points
	name     string
	identity bool
	set      *keySet // set of the keys whose sum the key is; nil if it is no sum
}

func (p *pairing) newNamedKey(point curve.Points) namedKey {
	return namedKey{point: point, name: p.nameKey(point), identity: p.curve.IsIdentity(point, 0)}
}

// AppendCertificate implements [Combination].
func (c *blsCombination) AppendCertificate(dst []byte) []byte {
	if c.scheme.format.Kind == wire.SignersAndAggregate {
		dst = c.signers.AppendTo(dst)
	}
	return c.scheme.curve.Append(dst, c.signature, 0, false)
}

// Check implements [Scheme]. A combination that no BLS scheme of this variant made is wrong.
func (e *blsScheme) Check(cs []Combination) bool {
	equations := make([]equation, len(cs))
	for i, c := range cs {
		own, ok := c.(*blsCombination)
		if !ok || own == nil || own.scheme.variant != e.variant {
			return false
		}
		equations[i] = own.equation
	}
	return e.allHold(equations)
}
