// Package sweep measures a node under every combination of listed settings and says which is best.
package sweep
