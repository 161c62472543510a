package cli

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// OneLine returns an error's text without line breaks.
func OneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// Say prints a line for people. An error of the writer is no reason to stop.
func Say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

// CommandLine returns the command line of this process, as a shell takes it.
func CommandLine() string {
	words := []string{filepath.Base(os.Args[0])}
	for _, a := range os.Args[1:] {
		words = append(words, Quoted(a))
	}
	return strings.Join(words, " ")
}

// Width is the number of columns that summaries keep to.
const Width = 80

// Field prints a line of a summary, folded to Width. The text stands behind a label of 16 columns.
func Field(w io.Writer, format string, args ...any) {
	for _, line := range Fold(fmt.Sprintf(format, args...), Width, 16) {
		Say(w, "%s", line)
	}
}

// Fold breaks a line at spaces into lines of at most width columns; those after the first begin
// with so many spaces. A word that is too long by itself is left whole.
func Fold(text string, width, indent int) (lines []string) {
	line := []rune(strings.TrimRight(text, " "))
	for len(line) > width {
		at := width
		for at > indent && line[at] != ' ' {
			at--
		}
		if at <= indent { // the first word is too long
			next := slices.Index(line[width:], ' ')
			if next < 0 {
				break
			}
			at = width + next
		}
		lines = append(lines, strings.TrimRight(string(line[:at]), " "))
		rest := strings.TrimLeft(string(line[at:]), " ")
		line = []rune(strings.Repeat(" ", indent) + rest)
	}
	return append(lines, string(line))
}

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
