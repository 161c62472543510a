package spawn

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Members listen at ports below those that systems give to outgoing connections: another connection
// could take one of the latter while a killed member starts again.
const (
	leastPort = 12000
	mostPort  = 32000
)

// FreeAddresses returns n addresses of the loopback at which nothing listens.
func FreeAddresses(n int) ([]string, error) {
	var addresses []string
	taken := make(map[int]bool)
	for tries := 0; len(addresses) < n; tries++ {
		if tries > 100*n {
			return nil, fmt.Errorf("no %d free ports from %d to %d", n, leastPort, mostPort)
		}
		port := leastPort + rand.IntN(mostPort-leastPort)
		if taken[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		addresses = append(addresses, l.Addr().String())
		taken[port] = true
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	return addresses, nil
}
