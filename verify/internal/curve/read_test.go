package curve

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

const fieldModulusHex = "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"

// readAlike reads in on every back end, alone and many times in one call, and fails the test unless
// all agree on acceptance, on the bytes of both forms and on the subgroup. It returns whether the
// bytes were accepted.
func readAlike(t interface {
	Helper()
	Fatalf(string, ...any)
}, g Group, in []byte, uncompressed bool) bool {
	t.Helper()
	accepted := make([]bool, 0, 3)
	var forms [][]byte
	for _, b := range backends() {
		before := bytes.Clone(in)
		p, bad := b.Read(g, in, []int{0}, uncompressed)
		if p.Len()+len(bad) != 1 || p.Group() != g {
			t.Fatalf("%s: %d points, bad %v", nameOf(b), p.Len(), bad)
		}
		if b != Gnark() {
			many, worse := b.Read(g, in, make([]int, 2*simdWidth+3), uncompressed)
			if many.Len() != p.Len()*(2*simdWidth+3) || many.Len()+len(worse) != 2*simdWidth+3 {
				t.Fatalf("%s: %x is read %d times of %d", nameOf(b), in, many.Len(), 2*simdWidth+3)
			}
			for i := range many.Len() {
				if !equalAt(b, many, i, p, 0) {
					t.Fatalf("%s: reading %x many times gives another point", nameOf(b), in)
				}
			}
		}
		if !bytes.Equal(before, in) {
			t.Fatalf("%s changed its input", nameOf(b))
		}
		accepted = append(accepted, bad == nil)
		if bad != nil {
			continue
		}
		if again := b.Append(nil, p, 0, uncompressed); !bytes.Equal(again, in) {
			t.Fatalf("%s accepts %x, which is canonically %x", nameOf(b), in, again)
		}
		form := append(b.Append(nil, p, 0, false), b.Append(nil, p, 0, true)...)
		if b.InSubgroup(p, 0) {
			form = append(form, 1)
		}
		forms = append(forms, form)
	}
	for i := range accepted {
		if accepted[i] != accepted[0] {
			t.Fatalf("%v: the back ends disagree on %x: %v", g, in, accepted)
		}
	}
	for i := range forms {
		if !bytes.Equal(forms[i], forms[0]) {
			t.Fatalf("%v: the back ends read %x differently", g, in)
		}
	}
	return accepted[0]
}

func TestEncodingsSurviveARoundTrip(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		points := b.Join(some(b, g, 9), outside(b, g, 9), b.Neg(outside(b, g, 9)))
		for _, uncompressed := range []bool{false, true} {
			prefix := []byte("kept")
			slab := encoded(b, points, uncompressed)
			if got := b.Append(prefix, points, 0, uncompressed); !bytes.HasPrefix(got, prefix) {
				t.Fatal("Append overwrote former bytes")
			}
			again, bad := b.Read(g, slab, places(points.Len()), uncompressed)
			if bad != nil || !same(b, again, points) {
				t.Fatal("points changed on the way")
			}
			for i := range points.Len() {
				size := len(slab) / points.Len()
				if !readAlike(t, g, slab[i*size:(i+1)*size], uncompressed) {
					t.Fatal("a point was refused")
				}
			}
		}
	})
}

func TestReadTakesThePlacesAskedForAndNamesTheBadOnes(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		points := some(b, g, 6)
		for _, uncompressed := range []bool{false, true} {
			slab := encoded(b, points, uncompressed)
			size := len(slab) / 6
			for _, broken := range []int{1, 4} {
				clear(slab[broken*size : (broken+1)*size])
			}
			got, bad := b.Read(g, slab, []int{5, 4, 3, 1, 0, 0}, uncompressed)
			if !slices.Equal(bad, []int{1, 3}) || !same(b, got, b.Select(points, []int{5, 3, 0, 0})) {
				t.Fatalf("%d points, bad %v", got.Len(), bad)
			}
			got, bad = b.Read(g, slab, []int{4, 1}, uncompressed)
			if !slices.Equal(bad, []int{0, 1}) || got.Len() != 0 {
				t.Fatalf("%d points, bad %v", got.Len(), bad)
			}
			if got, bad = b.Read(g, nil, nil, uncompressed); bad != nil || got.Len() != 0 {
				t.Fatal("points from nowhere")
			}
		}
	})
}

func TestTheIdentityReadsFromItsCanonicalCompressedFormOnly(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		canonical := b.Append(nil, identity(b, g), 0, false)
		if canonical[0] != 0xc0 || !readAlike(t, g, canonical, false) {
			t.Fatalf("%x", canonical)
		}
		p, _ := b.Read(g, canonical, []int{0}, false)
		if !b.IsIdentity(p, 0) || !b.InSubgroup(p, 0) {
			t.Fatal("the identity was read as something else")
		}
		for i := range canonical {
			for bit := range 8 {
				in := bytes.Clone(canonical)
				in[i] ^= 1 << bit
				if accepted := readAlike(t, g, in, false); accepted && in[0]&0x40 != 0 {
					t.Fatalf("%x passes for the identity", in)
				}
			}
		}
		for _, first := range []byte{0x00, 0x40, 0x60, 0xc0} {
			in := make([]byte, 2*g.Compressed())
			in[0] = first
			if readAlike(t, g, in, true) {
				t.Fatalf("%x is no uncompressed point", in)
			}
		}
	})
}

func TestFlagsThatDoNotFitTheFormAreRefused(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		points := b.Join(some(b, g, 2), outside(b, g, 2))
		for i := range points.Len() {
			short, long := b.Append(nil, points, i, false), b.Append(nil, points, i, true)
			for flags := range byte(8) {
				in := bytes.Clone(short)
				in[0] = in[0]&0x1f | flags<<5
				if readAlike(t, g, in, false) != (flags&0b110 == 0b100) {
					t.Fatalf("compressed, flags %03b", flags)
				}
				in = bytes.Clone(long)
				in[0] = in[0]&0x1f | flags<<5
				if readAlike(t, g, in, true) != (flags == 0) {
					t.Fatalf("uncompressed, flags %03b", flags)
				}
			}
			// A compressed point followed by other bytes, in place of an uncompressed one.
			if readAlike(t, g, append(short, short...), true) {
				t.Fatal("a compressed point passes where an uncompressed one belongs")
			}
		}
	})
}

func TestFieldElementsPastTheModulusAreRefused(t *testing.T) {
	modulus := unhex(t, fieldModulusHex)
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		points := b.Join(some(b, g, 3), outside(b, g, 3))
		tried := 0
		for i := range points.Len() {
			for _, uncompressed := range []bool{false, true} {
				valid := b.Append(nil, points, i, uncompressed)
				for at := 0; at < len(valid); at += 48 {
					in := bytes.Clone(valid)
					flags := byte(0)
					if at == 0 {
						flags = in[0] & 0xe0
						in[0] &^= 0xe0
					}
					carry := 0
					for k := 47; k >= 0; k-- {
						carry += int(in[at+k]) + int(modulus[k])
						in[at+k] = byte(carry)
						carry >>= 8
					}
					if at == 0 && in[0] > 0x1f {
						continue // no room for the flags
					}
					in[at] |= flags
					tried++
					if readAlike(t, g, in, uncompressed) {
						t.Fatal("x + p was taken for x")
					}
				}
			}
		}
		if tried == 0 {
			t.Fatal("nothing was tried")
		}
		// p itself, which is no encoding of zero.
		in := append(bytes.Clone(modulus), make([]byte, g.Compressed()-48)...)
		in[0] |= 0x80
		if readAlike(t, g, in, false) {
			t.Fatal("p was taken for 0")
		}
	})
}

func TestPointsOffTheCurveAreRefused(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		points := some(b, g, 3)
		for i := range points.Len() {
			in := b.Append(nil, points, i, true)
			in[len(in)-1] ^= 1
			if readAlike(t, g, in, true) {
				t.Fatal("a point with another y was accepted")
			}
		}
	})
}

func TestThePointsWithXZeroAreNotRead(t *testing.T) {
	for _, y := range []byte{0x80, 0xa0} {
		in := make([]byte, 48)
		in[0] = y
		if readAlike(t, G1, in, false) {
			t.Fatal("(0, ±2) was read")
		}
	}
	in := make([]byte, 96)
	in[95] = 2
	if readAlike(t, G1, in, true) {
		t.Fatal("(0, 2) was read")
	}
}

// All back ends agree on changed valid encodings and on arbitrary bytes.
func TestBackendsAcceptTheSameBytes(t *testing.T) {
	b := Gnark()
	seeds := map[Group][2][]byte{}
	for _, g := range groups {
		points := b.Join(some(b, g, 6), outside(b, g, 6), identity(b, g))
		seeds[g] = [2][]byte{encoded(b, points, false), encoded(b, points, true)}
	}
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.SampledFrom(groups).Draw(t, "group")
		uncompressed := rapid.Bool().Draw(t, "uncompressed")
		size, from := g.Compressed(), seeds[g][0]
		if uncompressed {
			size, from = 2*size, seeds[g][1]
		}
		var in []byte
		if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
			in = rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "bytes")
		} else {
			place := rapid.IntRange(0, len(from)/size-1).Draw(t, "place")
			in = bytes.Clone(from[place*size : (place+1)*size])
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				at := rapid.OneOf(rapid.Just(0), rapid.IntRange(0, size-1)).Draw(t, "at")
				in[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			}
		}
		readAlike(t, g, in, uncompressed)
	})
}

func FuzzRead(f *testing.F) {
	b := Gnark()
	for _, g := range groups {
		points := b.Join(b.Generator(g), identity(b, g), outside(b, g, 1))
		for i := range points.Len() {
			f.Add(b.Append(nil, points, i, false))
			f.Add(b.Append(nil, points, i, true))
		}
	}
	// The bytes are read in each of the four forms, cut or padded with zeros.
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, g := range groups {
			for _, uncompressed := range []bool{false, true} {
				size := g.Compressed()
				if uncompressed {
					size *= 2
				}
				in := make([]byte, size)
				copy(in, data)
				readAlike(t, g, in, uncompressed)
			}
		}
	})
}
