// Package compare lists the differences between results.
package compare
