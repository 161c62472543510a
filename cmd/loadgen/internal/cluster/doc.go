// Package cluster runs all members of a network in this process, with real engines, keys and
// journals, joined by a simulated network, and measures it.
package cluster
