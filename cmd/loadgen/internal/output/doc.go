// Package output shows the progress of a run and writes its result: it holds the flags for that,
// the screen, files, and the servers of metrics and profiles.
package output
