// Package report holds the results of runs: the fields common to all modes, the summary of repeated
// runs, requirements on results, and the page that shows a result.
package report
