// Package cluster runs and measures all members of a network in this process: real engines, keys
// and journals joined by a simulated network, or replicas joined by TLS on loopback.
package cluster
