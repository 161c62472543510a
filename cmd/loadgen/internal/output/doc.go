// Package output shows a run while it goes on, and writes its result: the flags about that, the
// screen, files, and the servers of metrics and profiles.
package output
