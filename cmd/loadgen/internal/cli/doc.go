// Package cli holds what the commands of loadgen have in common: exit statuses, errors of use, and
// how values are read and written.
package cli
