package message

import (
	"errors"
	"math"

	"github.com/lanecast/lanecast/wire"
)

// OwnChunk answers an own chunk request with the asker's highest node and ack: 0x00, or 0x01 ‖
// varint u32 length ‖ Node ‖ 0x00, or 0x01 ‖ Ack. The certificate of the node's parent has no bytes
// if the answerer does not hold it any more.
type OwnChunk struct {
	Node *wire.Node // the highest of the asker's lane; nil if none is known
	Ack  *wire.Ack  // the asker's highest; nil if none is known
}

// Size returns the length of the encoding in bytes.
func (o *OwnChunk) Size() int {
	n := 2
	if o.Node != nil {
		size := o.Node.Size()
		n += wire.UvarintSize(uint64(size)) + size
	}
	if o.Ack != nil {
		n += o.Ack.Size()
	}
	return n
}

// AppendTo appends the encoding to dst.
func (o *OwnChunk) AppendTo(dst []byte) []byte {
	dst = appendOption(dst, o.Node != nil)
	if o.Node != nil {
		dst = wire.AppendUvarint(dst, uint64(o.Node.Size()))
		dst = o.Node.AppendTo(dst)
	}
	dst = appendOption(dst, o.Ack != nil)
	if o.Ack != nil {
		dst = o.Ack.AppendTo(dst)
	}
	return dst
}

// Decode reads an answer that is the whole of b. Certificate and signature are views into b. Their
// epochs are looked up in formats; an epoch that formats does not know is an error.
func (o *OwnChunk) Decode(b []byte, formats wire.Formats) error { return o.decode(b, formats, false) }

// DecodeAny is Decode for a node with a parent of any epoch. If formats does not know the parent's
// epoch, any bytes are taken as its certificate. An ack of an unknown epoch, whose signature's
// length is not known, is not read.
func (o *OwnChunk) DecodeAny(b []byte, formats wire.Formats) error { return o.decode(b, formats, true) }

func (o *OwnChunk) decode(b []byte, formats wire.Formats, anyEpoch bool) error {
	r := reader{b: b}
	o.Node, o.Ack = nil, nil
	if r.option("node option") {
		n := r.count(math.MaxUint32, 1, "node length")
		if node := r.take(n, "node"); r.err == nil {
			o.Node = new(wire.Node)
			err := o.Node.DecodeStored(node)
			if err == nil && len(o.Node.Parent.Certificate) > 0 {
				if err = o.Node.Decode(node, formats); anyEpoch && errors.Is(err, wire.ErrUnknownEpoch) {
					err = o.Node.DecodeStored(node)
				}
			}
			r.part(0, err)
		}
	}
	if r.option("ack option") {
		o.Ack = new(wire.Ack)
		err := o.Ack.DecodeWith(r.b, formats)
		if anyEpoch && errors.Is(err, wire.ErrUnknownEpoch) {
			o.Ack, err = nil, nil
		}
		r.part(len(r.b), err)
	}
	return r.end()
}
