// Package cli holds the common parts of loadgen's commands: exit statuses, errors of use, and
// reading and writing of values.
package cli
