package cli

import (
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Size returns a flag value of bytes, such as 4096, 256KiB or 1.5MB.
func Size(v *int) pflag.Value { return &size{v} }

type size struct{ v *int }

var sizeUnits = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if n *= u.bytes; err != nil || !(n >= 0 && n <= math.MaxInt32) || n != math.Trunc(n) {
			break
		}
		*s.v = int(n)
		return nil
	}
	return Usagef("%q is no size such as 4096, 256KiB or 1MB", text)
}

func (s *size) Type() string   { return "size" }
func (s *size) String() string { return SizeText(*s.v) }

// SizeText writes a number of bytes as Size reads it, with the largest binary unit that it is a
// multiple of.
func SizeText(n int) string {
	for _, u := range []struct {
		name  string
		bytes int
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.Itoa(n/u.bytes) + u.name
		}
	}
	return strconv.Itoa(n)
}
