package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// vectorFile is a file of test vectors, in a format that other implementations may write too.
// Package verify tests the fields about verification.
type vectorFile struct {
	Source string       `json:"source"`
	Cases  []vectorCase `json:"cases"`
}

type vectorCase struct {
	Name         string            `json:"name"`
	Type         string            `json:"type"`
	Scheme       string            `json:"scheme"`
	Variant      string            `json:"variant"`
	Participants []json.RawMessage `json:"participants"`
	Encoded      string            `json:"encoded"`
	Decode       string            `json:"decode"`
	Fields       map[string]any    `json:"fields"`
	Cuts         string            `json:"cuts"` // "error": no proper prefix decodes
}

// format returns the format of the case's validator set, for every epoch.
func (c vectorCase) format() (wire.Format, error) {
	f := wire.Format{Participants: len(c.Participants)}
	switch c.Scheme {
	case "bls12381-multisig":
		f.Kind = wire.SignersAndAggregate
	case "bls12381-threshold":
		f.Kind = wire.SingleSignature
	case "ed25519", "secp256r1":
		f.Kind = wire.SignersAndList
	case "":
		return f, nil // chunks and proposals need none
	default:
		return f, fmt.Errorf("unknown scheme %q", c.Scheme)
	}
	switch {
	case f.Kind == wire.SignersAndList:
		f.Signature = ed
	case c.Variant == "minsig":
		f.Signature = g1
	case c.Variant == "minpk":
		f.Signature = g2
	default:
		return f, fmt.Errorf("unknown variant %q", c.Variant)
	}
	f.AckSignature = f.Signature
	return f, nil
}

func TestVectors(t *testing.T) {
	runVectors(t, filepath.Join("testdata", "vectors"), true)
}

// TestVectorsFromOutside runs the vectors in the folder that LANECAST_VECTORS names.
func TestVectorsFromOutside(t *testing.T) {
	folder := os.Getenv("LANECAST_VECTORS")
	if folder == "" {
		t.Skip("LANECAST_VECTORS names no folder")
	}
	runVectors(t, folder, false)
}

// runVectors runs every file in folder. If ours is set, an unknown field is a mistake; other files
// may have more fields.
func runVectors(t *testing.T, folder string, ours bool) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s (%v)", folder, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f vectorFile
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(f.Cases) == 0 {
			t.Errorf("%s has no cases", file)
		}
		for _, c := range f.Cases {
			t.Run(filepath.Base(file)+"/"+c.Name, func(t *testing.T) { runVector(t, c, ours) })
		}
	}
}

func runVector(t *testing.T, c vectorCase, ours bool) {
	if c.Type == "key" {
		t.Skip("signing keys are package verify's")
	}
	format, err := c.format()
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(c.Encoded)
	if err != nil {
		t.Fatalf("encoded: %v", err)
	}
	decode, ok := decoders[c.Type]
	if !ok {
		t.Fatalf("unknown type %q", c.Type)
	}
	v, err := decode(b, wire.SameFormat(format))
	switch c.Decode {
	case "error":
		if err == nil {
			t.Fatalf("decoded to %+v", v)
		}
		return
	case "ok":
		if err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("decode is %q, neither ok nor error", c.Decode)
	}
	if again := v.AppendTo(nil); !bytes.Equal(again, b) || v.Size() != len(b) {
		t.Errorf("encodes to\n%x (Size %d), want\n%x", again, v.Size(), b)
	}
	compareFields(t, "", fieldsOf(v, format), c.Fields, ours)
	if made, ok := messageOf(c.Type, c.Fields, format); ok {
		if encoded := made.AppendTo(nil); !bytes.Equal(encoded, b) {
			t.Errorf("its fields encode to\n%x, want\n%x", encoded, b)
		}
	} else if ours && c.Type != "activity" && len(c.Fields) > 0 {
		t.Error("its fields do not suffice to encode it")
	}
	if c.Cuts == "error" {
		for i := range b {
			if v, err := decode(b[:i:i], wire.SameFormat(format)); err == nil {
				t.Errorf("its first %d bytes decode to %+v", i, v)
			}
		}
	}
}

// fieldsOf returns the fields of a decoded value by name: integers in decimal, bytes in
// hexadecimal, signers as numbers. A chunk's fields stand both beside the others and in a "chunk"
// of their own, since vectors write either.
func fieldsOf(v any, f wire.Format) map[string]any {
	switch v := v.(type) {
	case *wire.Chunk:
		return map[string]any{
			"sequencer": v.Sequencer.String(), "height": fmt.Sprint(v.Height), "payload": v.Payload.String()}
	case *wire.Proposal:
		return with(&v.Chunk, map[string]any{"signature": v.Signature.String()})
	case *wire.Ack:
		participant := fmt.Sprint(v.Participant)
		return with(&v.Chunk, map[string]any{"epoch": fmt.Sprint(v.Epoch), "participant": participant,
			"signer": participant, "signature": hex.EncodeToString(v.Signature)})
	case *wire.Parent:
		fields := certificateFields(v.Certificate, f)
		fields["payload"], fields["digest"] = v.Payload.String(), v.Payload.String()
		fields["epoch"] = fmt.Sprint(v.Epoch)
		return fields
	case *wire.Node:
		fields := map[string]any{"signature": v.Signature.String(), "parent": nil}
		if v.HasParent() {
			fields["parent"] = fieldsOf(&v.Parent, f)
		}
		return with(&v.Chunk, fields)
	case *wire.Lock:
		fields := certificateFields(v.Certificate, f)
		fields["epoch"] = fmt.Sprint(v.Epoch)
		return with(&v.Chunk, fields)
	case wire.Activity:
		fields := activityFields(v, f)
		fields["tag"], fields["kind"] = fmt.Sprint(byte(v.Tag())), v.Tag().String()
		return fields
	}
	return nil
}

func with(c *wire.Chunk, fields map[string]any) map[string]any {
	inner := fieldsOf(c, wire.Format{})
	fields["chunk"] = inner
	for name, value := range inner {
		fields[name] = value
	}
	return fields
}

func certificateFields(certificate []byte, f wire.Format) map[string]any {
	signers, sigs, _ := f.SplitCertificate(certificate)
	numbers := []any{}
	for i := range signers.All() {
		numbers = append(numbers, fmt.Sprint(i))
	}
	return map[string]any{"certificate": hex.EncodeToString(certificate), "signers": numbers,
		"bitmap_length": fmt.Sprint(signers.Len()), "certificate_signature": hex.EncodeToString(sigs)}
}

func activityFields(v wire.Activity, f wire.Format) map[string]any {
	switch v := v.(type) {
	case *wire.Tip:
		return fieldsOf(&v.Proposal, f)
	case *wire.Certified:
		return fieldsOf(&v.Lock, f)
	case *wire.Conflict:
		fields := map[string]any{"proposal": fieldsOf(&v.Proposal, f)}
		if v.Lock != nil {
			fields["lock"] = fieldsOf(v.Lock, f)
		} else {
			fields["other"] = fieldsOf(&v.Other, f)
		}
		return fields
	case *wire.LockConflict:
		return map[string]any{"first": fieldsOf(&v.First, f), "second": fieldsOf(&v.Second, f)}
	case *wire.ConflictingAcks:
		return map[string]any{"first": fieldsOf(&v.First, f), "second": fieldsOf(&v.Second, f)}
	case *wire.InvalidAck:
		return map[string]any{"peer": v.Peer.String(), "message": hex.EncodeToString(v.Message)}
	case *wire.InvalidNode:
		return map[string]any{"peer": v.Peer.String(), "message": hex.EncodeToString(v.Message)}
	case *wire.InvalidCertificate:
		return map[string]any{"peer": v.Peer.String(), "message": hex.EncodeToString(v.Message)}
	case *wire.Fork:
		headers := []any{}
		for _, h := range v.Headers {
			headers = append(headers, hex.EncodeToString(h))
		}
		fields := map[string]any{"upper": fieldsOf(&v.Upper, f), "lower": nil, "headers": headers}
		if v.Lower != nil {
			fields["lower"] = fieldsOf(v.Lower, f)
		}
		return fields
	case *wire.InconsistentKeys:
		numbers := []any{}
		for i := range v.Signers.All() {
			numbers = append(numbers, fmt.Sprint(i))
		}
		return map[string]any{"chunk": fieldsOf(&v.Subject.Chunk, f), "epoch": fmt.Sprint(v.Subject.Epoch), "signers": numbers,
			"bitmap_length": fmt.Sprint(v.Signers.Len())}
	}
	return map[string]any{}
}

// messageOf builds a message from fields only; it reports false if they do not suffice or describe
// a fault.
func messageOf(kind string, from map[string]any, f wire.Format) (message, bool) {
	r := fieldReader{from: from, ok: from != nil}
	var m message
	switch kind {
	case "chunk":
		c := r.chunk()
		m = &c
	case "proposal":
		p := r.proposal()
		m = &p
	case "ack":
		m = &wire.Ack{Chunk: r.chunk(), Epoch: r.integer("epoch"),
			Participant: wire.Participant(r.integer("participant")), Signature: r.bytes("signature")}
	case "parent":
		p := r.parent(f)
		m = &p
	case "node":
		n := &wire.Node{Chunk: r.chunk(), Signature: wire.Signature(r.sized("signature", wire.SignatureSize))}
		if inner, ok := from["parent"].(map[string]any); ok {
			parent := fieldReader{from: inner, ok: true}
			n.Parent = parent.parent(f)
			r.ok = r.ok && parent.ok
		}
		m = n
	case "lock":
		l := r.lock(f)
		m = &l
	case "activity":
		switch from["kind"] {
		case "tip":
			m = &wire.Tip{Proposal: r.proposal()}
		case "lock":
			m = &wire.Certified{Lock: r.lock(f)}
		default:
			r.ok = false
		}
	default:
		r.ok = false
	}
	return m, r.ok
}

// fieldReader reads fields; ok becomes false at the first missing one.
type fieldReader struct {
	from map[string]any
	ok   bool
}

func (r *fieldReader) bytes(name string) []byte {
	text, ok := r.from[name].(string)
	b, err := hex.DecodeString(text)
	r.ok = r.ok && ok && err == nil
	return b
}

// sized returns n bytes whatever the field holds, so that they convert to an array.
func (r *fieldReader) sized(name string, n int) []byte {
	b := r.bytes(name)
	r.ok = r.ok && len(b) == n
	return append(b, make([]byte, n)...)[:n]
}

func (r *fieldReader) integer(name string) uint64 {
	v, err := strconv.ParseUint(fmt.Sprint(r.from[name]), 10, 64)
	r.ok = r.ok && err == nil
	return v
}

func (r *fieldReader) chunk() wire.Chunk {
	return wire.Chunk{Sequencer: wire.PublicKey(r.sized("sequencer", wire.PublicKeySize)),
		Height: r.integer("height"), Payload: wire.Digest(r.sized("payload", wire.DigestSize))}
}

func (r *fieldReader) proposal() wire.Proposal {
	return wire.Proposal{Chunk: r.chunk(), Signature: wire.Signature(r.sized("signature", wire.SignatureSize))}
}

func (r *fieldReader) parent(f wire.Format) wire.Parent {
	return wire.Parent{Payload: wire.Digest(r.sized("payload", wire.DigestSize)), Epoch: r.integer("epoch"),
		Certificate: r.certificate(f)}
}

func (r *fieldReader) lock(f wire.Format) wire.Lock {
	return wire.Lock{Chunk: r.chunk(), Epoch: r.integer("epoch"), Certificate: r.certificate(f)}
}

// certificate makes a certificate from its signers and signatures, or returns the bytes if a vector
// has only these.
func (r *fieldReader) certificate(f wire.Format) []byte {
	if _, ok := r.from["certificate_signature"]; !ok {
		return r.bytes("certificate")
	}
	signature := r.bytes("certificate_signature")
	if f.Kind == wire.SingleSignature {
		return signature
	}
	signers := wire.NewSigners(int(r.integer("bitmap_length")))
	numbers, _ := r.from["signers"].([]any)
	for _, number := range numbers {
		p, err := strconv.ParseUint(fmt.Sprint(number), 10, 32)
		if err != nil || p >= uint64(signers.Len()) {
			r.ok = false
			return nil
		}
		signers.Add(wire.Participant(p))
	}
	if f.Kind == wire.SignersAndAggregate {
		return wire.AppendSignersAndAggregate(nil, signers, signature)
	}
	if len(signature) != signers.Count()*f.Signature {
		r.ok = false
		return nil
	}
	next := -1
	return wire.AppendSignersAndList(nil, signers, func(wire.Participant) []byte {
		next++
		return signature[next*f.Signature : (next+1)*f.Signature]
	})
}

func compareFields(t *testing.T, at string, got, want map[string]any, strict bool) {
	for name, wanted := range want {
		value, known := got[name]
		inner, isObject := value.(map[string]any)
		wantedInner, wantsObject := wanted.(map[string]any)
		switch {
		case !known && strict:
			t.Errorf("%s%s: no such field", at, name)
		case !known:
			t.Logf("%s%s is unknown here and was not compared", at, name)
		case isObject && wantsObject:
			compareFields(t, at+name+".", inner, wantedInner, strict)
		case !equalField(value, wanted):
			t.Errorf("%s%s is %v, want %v", at, name, value, wanted)
		}
	}
}

// equalField compares our text of a field with a vector's: an integer as number or string,
// hexadecimal in either case.
func equalField(got, want any) bool {
	switch want := want.(type) {
	case nil:
		return got == nil
	case []any:
		list, ok := got.([]any)
		return ok && slices.EqualFunc(list, want, equalField)
	case json.Number:
		return got == want.String()
	case string:
		text, ok := got.(string)
		return ok && strings.EqualFold(text, want)
	}
	return false
}
