//go:build !cgo

package bench

var otherWays []string

// others returns no ways: all others use blst.
func others(*workload) ([]way, error) { return nil, nil }

// othersReceived returns no ways either.
func othersReceived(*workload, [][]int, [][]byte) ([]way, error) { return nil, nil }
