package cli

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// OneLine returns an error's text without line breaks.
func OneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// Say prints a line for people. An error of the writer is no reason to stop.
func Say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

// Counted names a number of things.
func Counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Quoted quotes a value for a shell.
func Quoted(value string) string {
	if value != "" && !strings.ContainsFunc(value, func(c rune) bool {
		return !strings.ContainsRune("+-./:=@_%,", c) && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// Percent returns a flag value such as 80% or 0.8.
func Percent(v *float64) pflag.Value { return &percent{v} }

type percent struct{ v *float64 }

// Set implements pflag.Value.
func (p *percent) Set(text string) error {
	number, isPercent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) {
		return Usagef("%q is no part such as 80%% or 0.8", text)
	}
	if isPercent {
		v /= 100
	}
	*p.v = v
	return nil
}

func (p *percent) Type() string   { return "part" }
func (p *percent) String() string { return strconv.FormatFloat(*p.v, 'g', -1, 64) }

// Thousands writes a number without decimals, with a comma between thousands.
func Thousands(v float64) string {
	digits := strconv.FormatFloat(math.Round(math.Abs(v)), 'f', 0, 64)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	if v <= -0.5 {
		return "-" + digits
	}
	return digits
}
