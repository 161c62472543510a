// Package sweep measures a node under every combination of listed settings and reports the best.
package sweep
