package wire

// Ack is one validator's signature on a chunk in an epoch: Chunk ‖ varint epoch ‖ varint u32
// participant ‖ signature.
type Ack struct {
	Chunk       Chunk
	Epoch       uint64
	Participant Participant
	Signature   []byte // Format.AckSignature bytes; a view after decoding
}

// Subject returns the chunk and epoch that the ack signs.
func (a *Ack) Subject() Subject { return Subject{Chunk: a.Chunk, Epoch: a.Epoch} }

// Size returns the length of the encoding in bytes.
func (a *Ack) Size() int {
	return a.Chunk.Size() + UvarintSize(a.Epoch) + UvarintSize(uint64(a.Participant)) + len(a.Signature)
}

// AppendTo appends the encoding to dst.
func (a *Ack) AppendTo(dst []byte) []byte {
	dst = a.Chunk.AppendTo(dst)
	dst = AppendUvarint(dst, a.Epoch)
	dst = AppendUvarint(dst, uint64(a.Participant))
	return append(dst, a.Signature...)
}

// Decode reads an ack that is the whole of b. The length of its signature depends on its epoch: the
// caller calls [Ack.CheckSize] once it knows that epoch's format, or calls [Ack.DecodeWith]
// instead.
func (a *Ack) Decode(b []byte) error {
	r := reader{b: b}
	r.ackHead(a)
	a.Signature = r.rest()
	return r.err
}

// CheckSize returns an ErrSignatureSize unless the signature has the length that f demands.
func (a *Ack) CheckSize(f Format) error {
	if len(a.Signature) != f.AckSignature {
		return fail("ack signature", ErrSignatureSize)
	}
	return nil
}

// DecodeWith decodes as Decode, and then checks as CheckSize with the format of the ack's own
// epoch, looked up in formats.
func (a *Ack) DecodeWith(b []byte, formats Formats) error {
	if err := a.Decode(b); err != nil {
		return err
	}
	f, ok := formats.Format(a.Epoch)
	if !ok {
		return fail("ack epoch", ErrUnknownEpoch)
	}
	return a.CheckSize(f)
}

func (r *reader) ackHead(a *Ack) {
	r.chunk(&a.Chunk)
	a.Epoch = r.uvarint64("epoch")
	a.Participant = Participant(r.uvarint32("participant"))
}

// Parent is the digest of the chunk below a node, with the certificate that a quorum accepted it:
// payload [32] ‖ varint epoch ‖ certificate. Its sequencer is the node's, its height one less.
type Parent struct {
	Payload     Digest
	Epoch       uint64
	Certificate []byte // a view after decoding
}

// Size returns the length of the encoding in bytes.
func (p *Parent) Size() int { return DigestSize + UvarintSize(p.Epoch) + len(p.Certificate) }

// AppendTo appends the encoding to dst.
func (p *Parent) AppendTo(dst []byte) []byte {
	dst = append(dst, p.Payload[:]...)
	dst = AppendUvarint(dst, p.Epoch)
	return append(dst, p.Certificate...)
}

// Decode reads a parent that is the whole of b.
func (p *Parent) Decode(b []byte, formats Formats) error {
	r := reader{b: b}
	r.parentHead(p)
	p.Certificate = r.certificate(p.Epoch, formats, "parent certificate")
	return r.end()
}

func (r *reader) parentHead(p *Parent) {
	r.read32((*[32]byte)(&p.Payload), "parent payload")
	p.Epoch = r.uvarint64("parent epoch")
}

// Node is a chunk, its sequencer's signature and, above height 0, its parent: Chunk ‖ signature
// [64] ‖ 0x00, or 0x01 ‖ Parent.
type Node struct {
	Chunk     Chunk
	Signature Signature
	Parent    Parent // meaningless at height 0
}

// HasParent reports whether the node is above height 0.
func (n *Node) HasParent() bool { return n.Chunk.Height > 0 }

// ParentSubject returns the chunk and epoch that the parent certificate certifies. It may be called
// only above height 0.
func (n *Node) ParentSubject() Subject {
	return Subject{
		Chunk: Chunk{Sequencer: n.Chunk.Sequencer, Height: n.Chunk.Height - 1, Payload: n.Parent.Payload},
		Epoch: n.Parent.Epoch,
	}
}

// Proposal returns the node without its parent.
func (n *Node) Proposal() Proposal { return Proposal{Chunk: n.Chunk, Signature: n.Signature} }

// Size returns the length of the encoding in bytes.
func (n *Node) Size() int {
	size := n.Chunk.Size() + SignatureSize + 1
	if n.HasParent() {
		size += n.Parent.Size()
	}
	return size
}

// AppendTo appends the encoding to dst.
func (n *Node) AppendTo(dst []byte) []byte {
	dst = n.Chunk.AppendTo(dst)
	dst = append(dst, n.Signature[:]...)
	if !n.HasParent() {
		return append(dst, 0)
	}
	return n.Parent.AppendTo(append(dst, 1))
}

// Decode reads a node that is the whole of b; its parent's epoch is looked up in formats.
func (n *Node) Decode(b []byte, formats Formats) error {
	r := reader{b: b}
	if r.nodeHead(n) {
		n.Parent.Certificate = r.certificate(n.Parent.Epoch, formats, "parent certificate")
	}
	return r.end()
}

// DecodeStored reads a node that this process itself encoded, such as a journal record: the
// certificate is the rest of b, since the format of its epoch may not be known.
func (n *Node) DecodeStored(b []byte) error {
	r := reader{b: b}
	if r.nodeHead(n) {
		n.Parent.Certificate = r.rest()
	}
	return r.end()
}

// nodeHead reads everything before the parent's certificate and reports whether there is a parent.
func (r *reader) nodeHead(n *Node) bool {
	r.chunk(&n.Chunk)
	r.read64((*[64]byte)(&n.Signature), "chunk signature")
	option := r.byte("parent option")
	n.Parent = Parent{}
	if r.err != nil {
		return false
	}
	switch {
	case option > 1:
		r.fail("parent option", ErrOption)
	case option == 1 && n.Chunk.Height == 0:
		r.fail("parent", ErrParentAtGenesis)
	case option == 0 && n.Chunk.Height > 0:
		r.fail("parent", ErrParentMissing)
	case option == 1:
		r.parentHead(&n.Parent)
		return r.err == nil
	}
	return false
}

// Proposal is a chunk with its sequencer's signature: Chunk ‖ signature [64].
type Proposal struct {
	Chunk     Chunk
	Signature Signature
}

// Size returns the length of the encoding in bytes.
func (p *Proposal) Size() int { return p.Chunk.Size() + SignatureSize }

// AppendTo appends the encoding to dst.
func (p *Proposal) AppendTo(dst []byte) []byte {
	return append(p.Chunk.AppendTo(dst), p.Signature[:]...)
}

// Decode reads a proposal that is the whole of b.
func (p *Proposal) Decode(b []byte) error {
	r := reader{b: b}
	r.proposal(p)
	return r.end()
}

func (r *reader) proposal(p *Proposal) {
	r.chunk(&p.Chunk)
	r.read64((*[64]byte)(&p.Signature), "chunk signature")
}

// Lock is a certified chunk: Chunk ‖ varint epoch ‖ certificate.
type Lock struct {
	Chunk       Chunk
	Epoch       uint64
	Certificate []byte // a view after decoding
}

// Subject returns the chunk and epoch that the certificate certifies.
func (l *Lock) Subject() Subject { return Subject{Chunk: l.Chunk, Epoch: l.Epoch} }

// Size returns the length of the encoding in bytes.
func (l *Lock) Size() int { return l.Chunk.Size() + UvarintSize(l.Epoch) + len(l.Certificate) }

// AppendTo appends the encoding to dst.
func (l *Lock) AppendTo(dst []byte) []byte {
	dst = l.Chunk.AppendTo(dst)
	dst = AppendUvarint(dst, l.Epoch)
	return append(dst, l.Certificate...)
}

// Decode reads a lock that is the whole of b; its epoch is looked up in formats.
func (l *Lock) Decode(b []byte, formats Formats) error {
	r := reader{b: b}
	r.lock(l, formats)
	return r.end()
}

// DecodePrefix reads a lock at the start of b as Decode does, and returns its length in bytes. It
// is for messages that hold more than one.
func (l *Lock) DecodePrefix(b []byte, formats Formats) (n int, err error) {
	r := reader{b: b}
	r.lock(l, formats)
	if r.err != nil {
		return 0, r.err
	}
	return len(b) - len(r.b), nil
}

// DecodeStored reads a lock that this process itself encoded; see [Node.DecodeStored].
func (l *Lock) DecodeStored(b []byte) error {
	r := reader{b: b}
	r.lockHead(l)
	l.Certificate = r.rest()
	return r.end()
}

func (r *reader) lockHead(l *Lock) {
	r.chunk(&l.Chunk)
	l.Epoch = r.uvarint64("epoch")
}

func (r *reader) lock(l *Lock, formats Formats) {
	r.lockHead(l)
	l.Certificate = r.certificate(l.Epoch, formats, "certificate")
}
