// Package report holds the results of runs: what those of all modes have in common, the summary of
// repeated runs, requirements on results, and the page that shows one.
package report
