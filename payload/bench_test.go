package payload

import (
	"testing"
)

// The hashing benchmarks report MB/s. GODEBUG=cpu.sha=off makes crypto/sha256 run without the
// processor's SHA instructions.

func benchmarkedBody() ([]byte, *Header, *Tree) {
	body := make([]byte, DefaultMaxPayload)
	for i := range body {
		body[i] = byte(i * i >> 8)
	}
	t := Build(body)
	return body, &Header{BodySize: t.BodySize(), Root: t.Root()}, t
}

func BenchmarkBuild(b *testing.B) {
	body, h, _ := benchmarkedBody()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if Build(body).Root() != h.Root {
			b.Fatal("another root")
		}
	}
}

// BenchmarkProve makes all audit paths of a body whose tree is built already.
func BenchmarkProve(b *testing.B) {
	body, _, t := benchmarkedBody()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var path []byte
	for b.Loop() {
		for i := range Pieces(t.BodySize()) {
			path = t.AppendPath(path[:0], i)
		}
	}
}

// BenchmarkAssemble checks all pieces of a body and puts it together.
func BenchmarkAssemble(b *testing.B) {
	body, h, t := benchmarkedBody()
	var paths [][]byte
	for i := range Pieces(h.BodySize) {
		paths = append(paths, t.AppendPath(nil, i))
	}
	buffer := make([]byte, len(body))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		a, err := NewAssembly(h, buffer)
		if err != nil {
			b.Fatal(err)
		}
		for i, path := range paths {
			if _, err := a.Add(uint64(i), body[i*PieceSize:(i+1)*PieceSize], path); err != nil {
				b.Fatal(err)
			}
		}
		if _, built := a.Complete(); built == nil {
			b.Fatal("not complete")
		}
	}
}
