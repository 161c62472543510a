package verify

// outcome is the result of a test of several votes together.
type outcome uint8

const (
	untested  outcome = iota
	good              // they verify together
	bad               // they do not, so at least one of them does not
	undecided         // the test decides only about single votes
)

// bisect returns those of part that fail a test alone, ascending. It halves part: with k of n bad
// it takes about k·log₂ n tests. A part that passes is not halved further. known is the outcome for
// the whole, if it is known beforehand.
//
// test must guarantee that if the whole is bad and one half is good, the other half is bad. Then
// that half need not be tested before it is halved. But a single vote is always tested, even if the
// result can be inferred: no validator is blamed by inference.
func bisect(part []int, known outcome, test func(part []int) outcome) (failed []int) {
	var halve func(part []int, o outcome) outcome
	halve = func(part []int, o outcome) outcome {
		if o == untested || len(part) == 1 {
			o = test(part)
		}
		if o == good {
			return o
		}
		if len(part) == 1 {
			failed = append(failed, part[0])
			return o
		}
		middle := len(part) / 2
		left, right := halve(part[:middle], untested), untested
		if left == good && o == bad {
			right = bad
		}
		halve(part[middle:], right)
		return o
	}
	if len(part) > 0 {
		halve(part, known)
	}
	return failed
}
