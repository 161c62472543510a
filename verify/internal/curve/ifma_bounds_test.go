package curve

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The straight-line functions of the SIMD code are simulated with intervals, from their source.
// This tests the bounds in their comments: operands of products are carried, not negative and below
// 2^10·p; operands of carry are not below the negative of the number that it adds; wide sums are
// small enough to be reduced and fit their columns.

// interval bounds a part of an element, in multiples of p: it is more than low, or exactly 0, and
// less than high.
type interval struct {
	low, high float64
	loose     bool // not carried
}

// wideInterval bounds a part of a wide number: it is more than low and less than high, in multiples
// of p², and its columns are at most columns, in multiples of 2^56.
type wideInterval struct{ low, high, columns float64 }

// simulation is one simulated run of a function for one group.
type simulation struct {
	t     *testing.T
	parts int // of a coordinate
	at    map[string][]interval
	wide  map[string][2]wideInterval
	line  string
	skip  *regexp.Regexp // statements to skip, because their results are given
}

func (s *simulation) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s: %s", s.line, fmt.Sprintf(format, args...))
}

var partOf = regexp.MustCompile(`^(.*?)(?:\.|->)part\[([012])\]$`)

// get returns the parts of an operand: one for an element of Fp, two of Fp2, six of Fp6.
func (s *simulation) get(name string) []interval {
	if m := partOf.FindStringSubmatch(name); m != nil {
		k, _ := strconv.Atoi(m[2])
		switch whole := s.at[m[1]]; len(whole) {
		case 6:
			return whole[2*k : 2*k+2]
		case 2:
			return whole[k : k+1]
		}
	}
	v, ok := s.at[name]
	if !ok {
		s.fail("%s has no value", name)
	}
	return v
}

func (s *simulation) set(name string, v []interval) {
	if m := partOf.FindStringSubmatch(name); m != nil {
		k, _ := strconv.Atoi(m[2])
		if s.at[m[1]] == nil {
			s.at[m[1]] = make([]interval, map[int]int{1: 2, 2: 6}[len(v)])
		}
		copy(s.at[m[1]][k*len(v):], v)
		return
	}
	s.at[name] = append([]interval(nil), v...)
}

// operand checks the conditions that products have for a part, with the given maximum.
func (s *simulation) operand(v interval, most float64) float64 {
	if v.loose || v.low < 0 || v.high > most {
		s.fail("%+v is no operand of a product up to %v", v, most)
	}
	return v.high
}

// reduced is the result of a sum of products.
func (s *simulation) reduced(sum float64) interval {
	high := sum/float64(1<<35) + 1.25
	if high > 2 {
		s.fail("a product is %v", high)
	}
	return interval{0, 2, false}
}

func (s *simulation) product(pairs ...interval) interval {
	sum := 0.0
	for i := 0; i < len(pairs); i += 2 {
		sum += s.operand(pairs[i], 1024) * s.operand(pairs[i+1], 1024)
	}
	return s.reduced(sum)
}

func plus(a, b interval) interval  { return interval{a.low + b.low, a.high + b.high, true} }
func minus(a, b interval) interval { return interval{a.low - b.high, a.high - b.low, true} }

func (s *simulation) carry(a interval, k int) interval {
	by := float64(int(1) << k)
	if a.low < -by {
		s.fail("%+v may be below −2^%d", a, k)
	}
	out := interval{a.low + by, a.high + by, false}
	if out.high > 1024 {
		s.fail("%+v is too large", out)
	}
	return out
}

// each applies an operation to every part.
func each(a []interval, f func(i int) interval) []interval {
	out := make([]interval, len(a))
	for i := range a {
		out[i] = f(i)
	}
	return out
}

// wideProduct is the product in Fp2 of two operands.
func (s *simulation) wideProduct(a, b []interval) (out [2]wideInterval) {
	for i := range 2 {
		s.operand(a[i], 512)
		s.operand(b[i], 1024)
	}
	// a₀b₀ − a₁b₁; and a₀b₁ + a₁b₀, computed as a product minus two others.
	out[0] = wideInterval{-a[1].high * b[1].high, a[0].high * b[0].high, 1}
	out[1] = wideInterval{0, a[0].high*b[1].high + a[1].high*b[0].high, 2}
	return out
}

// add adds k times a wide number.
func (w *wideInterval) add(k float64, a wideInterval) {
	if k < 0 {
		a.low, a.high = a.high, a.low
	}
	w.low += k * a.low
	w.high += k * a.high
	w.columns += a.columns
}

// reduceWide is the result of reducing a wide number, including the number added to make it
// positive.
func (s *simulation) reduceWide(w wideInterval) interval {
	const most = 1 << 25
	if w.low < -most || w.high > most || w.columns > 62 {
		s.fail("%+v is too large", w)
	}
	return s.reduced(w.high + float64(1<<25))
}

var wideTerms = regexp.MustCompile(`\.(plus|minus|xi_plus|xi_minus) = \{([^}]*)\}`)

// reduceSum is the result of reduce_sum2.
func (s *simulation) reduceSum(terms string) []interval {
	var w [2]wideInterval
	for _, m := range wideTerms.FindAllStringSubmatch(terms, -1) {
		k := 1.0
		if strings.HasSuffix(m[1], "minus") {
			k = -1
		}
		for _, name := range strings.Split(m[2], ",") {
			a, ok := s.wide[strings.TrimPrefix(strings.TrimSpace(name), "&")]
			if !ok {
				s.fail("%s has no value", name)
			}
			w[0].add(k, a[0])
			w[1].add(k, a[1])
			if strings.HasPrefix(m[1], "xi") {
				w[0].add(-k, a[1])
				w[1].add(k, a[0])
			}
		}
	}
	return []interval{s.reduceWide(w[0]), s.reduceWide(w[1])}
}

// mul2 is the product in Fp2 of pairs of operands, added.
func (s *simulation) mul2(v ...[]interval) []interval {
	var w [2]wideInterval
	for i := 0; i < len(v); i += 2 {
		a := s.wideProduct(v[i], v[i+1])
		w[0].add(1, a[0])
		w[1].add(1, a[1])
	}
	return []interval{s.reduceWide(w[0]), s.reduceWide(w[1])}
}

func (s *simulation) times12(a interval) interval {
	return interval{12 * a.low, 12 * a.high, true}
}

func mulByXi(a []interval) []interval { return []interval{minus(a[0], a[1]), plus(a[0], a[1])} }

// call simulates one statement.
func (s *simulation) call(function string, args []string) {
	name := strings.TrimSuffix(strings.TrimSuffix(function, "1"), "2")
	fp2 := s.parts == 2 && name != function || s.parts == 2 && strings.HasPrefix(s.line, "ON(")
	in := func(i int) []interval { return s.get(args[i]) }
	one := func(i int) interval { return in(i)[0] }
	switch {
	case name == "add":
		s.set(args[0], each(in(1), func(i int) interval { return plus(in(1)[i], in(2)[i]) }))
	case name == "sub":
		s.set(args[0], each(in(1), func(i int) interval { return minus(in(1)[i], in(2)[i]) }))
	case name == "carry":
		k, err := strconv.Atoi(args[2])
		if err != nil {
			s.fail("%v", err)
		}
		s.set(args[0], each(in(1), func(i int) interval { return s.carry(in(1)[i], k) }))
	case name == "triple_b" && fp2:
		s.set(args[0], each(mulByXi(in(1)), func(i int) interval { return s.times12(mulByXi(in(1))[i]) }))
	case name == "triple_b":
		s.set(args[0], []interval{s.times12(one(1))})
	case name == "mul_by_xi":
		s.set(args[0], mulByXi(in(1)))
	case name == "mul" && fp2:
		s.set(args[0], s.mul2(in(1), in(2)))
	case name == "mul_two" && fp2:
		s.set(args[0], s.mul2(in(1), in(2), in(3), in(4)))
	case name == "square" && fp2:
		a := in(1)
		s.operand(a[0], 256)
		s.operand(a[1], 256)
		sum, twice := s.carry(plus(a[0], a[1]), 0), s.carry(plus(a[1], a[1]), 0)
		s.set(args[0], []interval{s.product(sum, s.carry(minus(a[0], a[1]), 8)), s.product(a[0], twice)})
	case name == "mul", name == "product":
		s.set(args[0], []interval{s.product(one(1), one(2))})
	case name == "mul_two", name == "two_products":
		s.set(args[0], []interval{s.product(one(1), one(2), one(3), one(4))})
	case name == "square":
		s.set(args[0], []interval{s.product(one(1), one(1))})
	case name == "times_beta":
		s.set(args[0], each(in(1), func(i int) interval { return s.product(in(1)[i], interval{high: 1}) }))
	case name == "product_with": // a constant, which is below p
		s.set(args[0], []interval{s.product(one(1), interval{high: 1})})
	case name == "wide_product":
		s.wide[args[0]] = s.wideProduct(in(1), in(2))
	case name == "wide_product_of_sums":
		var sums [2][]interval
		for i := range sums {
			a, b := in(1+2*i), in(2+2*i)
			sums[i] = each(a, func(k int) interval { return s.carry(plus(a[k], b[k]), 0) })
		}
		s.wide[args[0]] = s.wideProduct(sums[0], sums[1])
	case name == "multiply6":
		inner := simulate(s.t, 2, 0)
		for i := range 3 {
			inner.at[fmt.Sprintf("a%d", i)] = in(1)[2*i : 2*i+2]
			inner.at[fmt.Sprintf("b%d", i)] = in(2)[2*i : 2*i+2]
		}
		inner.run("ifma_pairing.c", "static void multiply6(")
		for of, w := range inner.wide {
			s.wide[args[0]+strings.TrimPrefix(of, "r")] = w
		}
	case name == "reduce_sum":
		s.set(args[0], s.reduceSum(strings.Join(args[1:], ",")))
	case name == "triple":
		s.set(args[0], each(in(1), func(i int) interval { return plus(plus(in(1)[i], in(1)[i]), in(1)[i]) }))
	case name == "scale":
		s.set(args[0], each(in(1), func(i int) interval { return s.product(in(1)[i], one(2)) }))
	case name == "add6":
		s.set(args[0], each(in(1), func(i int) interval { return plus(in(1)[i], in(2)[i]) }))
	case name == "carry6":
		k, err := strconv.Atoi(args[2])
		if err != nil {
			s.fail("%v", err)
		}
		s.set(args[0], each(in(1), func(i int) interval { return s.carry(in(1)[i], k) }))
	case name == "mul_by_v":
		a := in(1)
		s.set(args[0], append(mulByXi(a[4:]), a[:4]...))
	case name == "constant_at":
		s.set(args[0], make([]interval, s.parts))
		for i := range s.at[args[0]] {
			s.at[args[0]][i].high = 1
		}
	case name == "sum":
		a, b := one(1), one(2)
		s.operand(a, 512)
		s.operand(b, 512)
		s.set(args[0], []interval{{a.low + b.low, a.high + b.high, false}})
	case name == "difference":
		s.operand(one(1), 1020)
		s.operand(one(2), 4)
		out := minus(one(1), one(2))
		s.set(args[0], []interval{{out.low + 4, out.high + 4, false}})
	case name == "power":
		s.operand(one(1), 1024)
		s.set(args[0], []interval{{0, 2, false}})
	case name == "canonical":
		s.operand(one(1), 1024)
		s.set(args[0], []interval{{0, 1, false}})
	case name == "same":
		s.operand(s.get(args[1])[0], 1020)
		s.operand(s.get(args[2])[0], 4)
	case name == "vanishes":
		for _, a := range in(0) {
			if a.low < -512 || a.high > 511 {
				s.fail("%+v", a)
			}
		}
	case name == "conditional", name == "replace":
		s.set(args[0], each(in(2), func(i int) interval {
			a, b := in(0)[i], in(2)[i]
			return interval{min(a.low, b.low), max(a.high, b.high), a.loose || b.loose}
		}))
	default:
		s.fail("what %s does to bounds is not known", function)
	}
}

var (
	statement = regexp.MustCompile(`^(?:for \(int [gk] = 0; [gk] < n; [gk]\+\+\) )?(?:(?:const )?__mmask8 )?(?:[\w>-]+ &?= (?:\(__mmask8\)~)?)?` +
		`(?:ON\((\w+)\)|(\w+))\((.*)\);`)
	copying = regexp.MustCompile(`^(?:for \(int g = 0; g < n; g\+\+\) )?(?:const fe8 )?([\w>.\[\]-]+) = (everywhere\(.*\)|[\w>.\[\]-]+);`)
	ignored = regexp.MustCompile(`^(ELEMENT|fe8|fp2|fp6|products6|point\d|const fe8|const fp2|const int|static|return|for \(int g = 0; g < n; g\+\+\) {|}|memset|__mmask8 (is_square|is_root)\b)`)
)

// run simulates the body of the function in a file that begins with a line that contains head.
func (s *simulation) run(file, head string) {
	s.t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	_, body, found := strings.Cut(string(source), head)
	if !found {
		s.t.Fatalf("%s has no %s", file, head)
	}
	body, _, _ = strings.Cut(body, "\n}\n")
	_, body, _ = strings.Cut(body, "\n")
	s.statements(body)
}

// statements simulates lines of C.
func (s *simulation) statements(lines string) {
	s.t.Helper()
	begun := ""
	for _, line := range strings.Split(lines, "\n") {
		line, _, _ = strings.Cut(line, "//")
		line = begun + strings.TrimSpace(strings.ReplaceAll(line, "[g]", ""))
		if begun = ""; strings.Count(line, "(") > strings.Count(line, ")") { // it continues
			begun = line + " "
			continue
		}
		if s.line = line; strings.Contains(line, ");") && !strings.HasSuffix(line, ");") {
			s.fail("there is more than one statement")
		}
		switch {
		case line == "", s.skip != nil && s.skip.MatchString(line):
			continue
		case copying.MatchString(line):
			m := copying.FindStringSubmatch(line)
			if strings.HasPrefix(m[2], "everywhere") {
				s.set(m[1], []interval{{0, 1, false}})
			} else {
				s.set(m[1], s.get(m[2]))
			}
		case ignored.MatchString(line) && !strings.HasPrefix(line, "const __mmask8"):
			continue
		default:
			m := statement.FindStringSubmatch(line)
			if m == nil {
				s.fail("this is not understood")
			}
			args := strings.Split(m[3], ",")
			for k := range args {
				args[k] = strings.TrimPrefix(strings.TrimSpace(args[k]), "&")
			}
			// The mask of positions may have commas of its own. It is not used.
			if name := m[1] + m[2]; strings.HasPrefix(name, "conditional") || name == "replace" {
				args = []string{args[0], "", args[len(args)-1]}
			}
			s.call(m[1]+m[2], args)
		}
	}
}

// simulate prepares a run whose values are all at most high.
func simulate(t *testing.T, parts int, high float64, names ...string) *simulation {
	s := &simulation{t: t, parts: parts, at: map[string][]interval{}, wide: map[string][2]wideInterval{}}
	for _, n := range names {
		s.at[n] = make([]interval, parts)
		for i := range s.at[n] {
			s.at[n][i].high = high
		}
	}
	return s
}

func (s *simulation) atMost(high float64, names ...string) {
	s.t.Helper()
	for _, n := range names {
		for _, v := range s.get(n) {
			if v.loose || v.low < 0 || v.high > high {
				s.t.Fatalf("%s is %+v", n, v)
			}
		}
	}
}

func TestSumsOfPointsKeepWithinTheBounds(t *testing.T) {
	for parts := 1; parts <= 2; parts++ {
		s := simulate(t, parts, 8, "p->x", "p->y", "p->z", "q->x", "q->y", "q->z")
		s.run("ifma_point.h", "ON(add_points)(ON(point) *r")
		s.atMost(2, "r->x", "r->y", "r->z")
		s = simulate(t, parts, 8, "p->x", "p->y", "p->z")
		s.run("ifma_point.h", "ON(double_point)(ON(point) *p)")
		s.atMost(2, "p->x", "p->y", "p->z")
	}
}

func TestSubgroupChecksKeepWithinTheBounds(t *testing.T) {
	s := simulate(t, 1, 2, "p->x", "p->y", "p->z", "multiple.x", "multiple.y", "multiple.z")
	s.skip = regexp.MustCompile(`^times_x`)
	s.run("ifma_points.c", "in_g1(const point1 *p")
	s = simulate(t, 2, 2, "q->x", "q->y", "q->z", "multiple.x", "multiple.y", "multiple.z")
	s.skip = regexp.MustCompile(`^times_x`)
	s.at["zero"] = []interval{{}}
	s.run("ifma_points.c", "in_g2(const point2 *q")
}

func TestReadingKeepsWithinTheBounds(t *testing.T) {
	s := simulate(t, 2, 2, "x")
	s.run("ifma_read.c", "INLINE void cube2(")
	s.atMost(2, "r")

	s = simulate(t, 2, 3, "a") // a cube and the constant term
	s.at["zero"] = []interval{{}}
	s.run("ifma_root.h", "SHARED void root2(")
	s.atMost(4, "r")
	s.statements("square2(&t, &r);\nsub2(&t, &a, &t);\nvanishes2(&t);")
}

func TestMillerLoopsKeepWithinTheBounds(t *testing.T) {
	// f is 0 … 5 between the functions.
	f := func() *simulation {
		s := simulate(t, 2, 0)
		for _, c := range []string{"c0", "c1"} {
			s.at[c] = make([]interval, 6)
			for i := range s.at[c] {
				s.at[c][i].high = 5
			}
		}
		return s
	}
	s := f()
	s.run("ifma_pairing.c", "SHARED void square12(")
	s.atMost(5, "c0", "c1")

	s = simulate(t, 2, 2, "e->x", "e->z", "e->qx", "e->qy")
	for _, p := range []string{"e->three_px", "e->minus_px", "e->py", "e->minus_py"} {
		s.at[p] = []interval{{0, 7, false}}
	}
	for _, function := range []string{"SHARED void doubling(", "SHARED void addition("} {
		s.at["e->y"] = []interval{{0, 40, false}, {0, 40, false}}
		s.run("ifma_pairing.c", function)
		s.atMost(2, "e->x", "e->z", "l[1]", "l[2]")
		s.atMost(40, "e->y")
		s.atMost(84, "l[0]")

		line := f()
		for _, l := range []string{"l[0]", "l[1]", "l[2]"} {
			line.at[l] = s.at[l]
		}
		line.run("ifma_pairing.c", "static void mul_by_line(")
		line.atMost(5, "c0", "c1")
	}
}

func TestHashingKeepsWithinTheBounds(t *testing.T) {
	for parts := 1; parts <= 2; parts++ {
		s := simulate(t, parts, 8, "p->x", "p->y", "p->z", "q->x", "q->y", "q->z")
		s.run("ifma_map.h", "ON(add_on_isogenous)(ON(point) *r")
		s.atMost(2, "r->x", "r->y", "r->z")

		s = simulate(t, parts, 2, "x", "z")
		s.statements("ON(constant_at)(&k, c);\nON(mul)(&sum, &k, &z);\nON(add)(&sum, &sum, &x);\nON(carry)(&sum, &sum, 0);")
		s.statements("ON(mul_two)(&sum, &sum, &x, &k, &z);") // the monic polynomial's sum
		s.statements("ON(constant_at)(&sum, c);\nON(mul_two)(&sum, &sum, &x, &k, &z);")
		s.atMost(2, "sum")
	}

	s := simulate(t, 1, 4, "u")
	s.at["zero"] = []interval{{}}
	s.run("ifma_hash.c", "static void map_g1(")
	s.atMost(2, "p.x", "p.y", "p.z")

	s = simulate(t, 2, 4, "m->u")
	s.at["zero"], s.at["zero.part[0]"] = make([]interval, 2), make([]interval, 1)
	s.run("ifma_hash.c", "static void begin_map2(")
	s.atMost(2, "m->t", "m->num", "m->d", "m->h", "m->m", "norm")
	s.at["powers"] = []interval{{0, 2, false}}
	s.run("ifma_hash.c", "static void decide_map2(")
	s.atMost(2, "m->h", "d", "base")
	s.at["k"] = s.at["powers"]
	s.at["zero"] = []interval{{}}
	s.run("ifma_hash.c", "static void root_map2(")
	s.at["zero"] = make([]interval, 2)
	s.run("ifma_hash.c", "static void end_map2(")
	s.atMost(2, "p->x", "p->y", "p->z")

	s = simulate(t, 2, 2, "p->x", "p->y", "p->z", "r->x", "r->y", "r->z")
	s.at["zero"] = []interval{{}}
	s.skip = regexp.MustCompile(`^\*r = `)
	s.run("ifma_hash.c", "static void psi(")
	s.atMost(2, "r->x", "r->y", "r->z")
}
