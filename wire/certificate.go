package wire

// CertificateKind is the layout of a scheme's certificates.
type CertificateKind uint8

const (
	// SignersAndAggregate is Signers ‖ one signature: BLS multisig.
	SignersAndAggregate CertificateKind = iota + 1
	// SingleSignature is one signature and nothing else: BLS threshold.
	SingleSignature
	// SignersAndList is Signers ‖ varint u32 count ‖ that many signatures in ascending participant
	// order: Ed25519.
	SignersAndList
)

// Format holds the facts about an epoch that decoding needs: the number of validators, which bounds
// a bitmap, and the lengths of signatures.
type Format struct {
	Kind         CertificateKind
	Participants int // validators of the epoch, n
	Signature    int // bytes of a signature in a certificate: 48, 96 or 64
	AckSignature int // bytes of an ack's signature: the same, or twice as many if uncompressed
}

// Formats looks up the format of an epoch. It reports false for an epoch whose validators are not
// known; a certificate of such an epoch has no bound and is not decoded.
type Formats interface {
	Format(epoch uint64) (Format, bool)
}

// SameFormat is a Formats that returns the same format for every epoch.
type SameFormat Format

// Format implements [Formats].
func (f SameFormat) Format(uint64) (Format, bool) { return Format(f), true }

// MaxCertificateSize returns the length in bytes of the longest certificate of the format.
func (f Format) MaxCertificateSize() int {
	signers := signersHeader + (f.Participants+7)/8
	switch f.Kind {
	case SignersAndAggregate:
		return signers + f.Signature
	case SignersAndList:
		return signers + UvarintSize(uint64(f.Participants)) + f.Participants*f.Signature
	default:
		return f.Signature
	}
}

// SplitCertificate decodes a certificate that is the whole of b into its signers and its signature
// bytes, both views into b: one aggregate signature, or the list's signatures without their count.
// Signers is the zero value for SingleSignature. A bitmap over fewer validators than the set
// decodes; verification refuses it.
func (f Format) SplitCertificate(b []byte) (Signers, []byte, error) {
	r := reader{b: b}
	s, sigs := r.splitCertificate(f, "certificate")
	if err := r.end(); err != nil {
		return Signers{}, nil, err
	}
	return s, sigs, nil
}

func (r *reader) splitCertificate(f Format, field string) (s Signers, sigs []byte) {
	switch f.Kind {
	case SignersAndAggregate:
		s = r.signers(f.Participants, field)
		return s, r.take(f.Signature, field)
	case SignersAndList:
		s = r.signers(f.Participants, field)
		claimed, count := r.uvarint32(field), s.Count()
		if r.err == nil && uint64(claimed) != uint64(count) {
			r.fail(field, ErrSignerCount)
		}
		return s, r.take(count*f.Signature, field) // count bits are in b: no overflow
	case SingleSignature:
		return s, r.take(f.Signature, field)
	}
	r.fail(field, ErrUnknownEpoch) // a Format without kind describes no scheme
	return s, nil
}

// certificate reads a certificate of epoch and returns a view.
func (r *reader) certificate(epoch uint64, formats Formats, field string) []byte {
	if r.err != nil {
		return nil
	}
	f, ok := formats.Format(epoch)
	if !ok {
		r.fail(field, ErrUnknownEpoch)
		return nil
	}
	start := r.b
	r.splitCertificate(f, field)
	if r.err != nil {
		return nil
	}
	n := len(start) - len(r.b)
	return start[:n:n]
}

// AppendSignersAndAggregate appends the certificate Signers ‖ signature to dst.
func AppendSignersAndAggregate(dst []byte, s Signers, signature []byte) []byte {
	return append(s.AppendTo(dst), signature...)
}

// AppendSignersAndList appends the certificate Signers ‖ varint count ‖ signatures to dst, where
// signature returns a signer's signature.
func AppendSignersAndList(dst []byte, s Signers, signature func(Participant) []byte) []byte {
	dst = AppendUvarint(s.AppendTo(dst), uint64(s.Count()))
	for i := range s.All() {
		dst = append(dst, signature(i)...)
	}
	return dst
}
