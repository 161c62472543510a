package spawn

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports that members listen at are below those that systems give to outgoing connections: another
// connection could have taken one of these while a member that was killed starts again.
const (
	leastPort = 12000
	mostPort  = 32000
)

// FreeAddresses returns so many addresses of the loopback at which nothing listens.
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
