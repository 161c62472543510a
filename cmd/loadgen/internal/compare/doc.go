// Package compare says what changed between results.
package compare
