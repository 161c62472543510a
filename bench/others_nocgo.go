//go:build !cgo

package bench

var otherWays []string

// others are the ways of others, which all stand on blst: none here.
func others(*workload) ([]way, error) { return nil, nil }

// othersReceived are theirs for received certificates.
func othersReceived(*workload, [][]int, [][]byte) ([]way, error) { return nil, nil }
