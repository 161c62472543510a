// Package cluster runs all members of a network in this process, with real engines, keys and
// journals, joined by a simulated network, or with replicas, joined by TLS on loopback, and
// measures it.
package cluster
