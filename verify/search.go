package verify

// outcome is what a test says of several votes together.
type outcome uint8

const (
	untested  outcome = iota
	good              // they verify together
	bad               // they do not, so at least one of them does not
	undecided         // the test says nothing about them together; about one alone it always does
)

// search finds those of part that fail a test alone, ascending, by halving: with k of n bad it takes about k·log₂ n
// tests. What passes together is not taken apart. known is what is known of the whole beforehand.
//
// test must be such that a bad whole with a good half has a bad other half. Then that half need not be tested before
// it is halved in turn; but what ends up alone always is, however sure the conclusion: nobody is blamed by inference.
func search(part []int, known outcome, test func(part []int) outcome) (failed []int) {
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
