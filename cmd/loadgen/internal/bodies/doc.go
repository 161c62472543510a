// Package bodies makes the load of runs whose chunks have bodies, and its members: replicas that
// check what they are handed.
package bodies
