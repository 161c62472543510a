package main

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsServer serves the metrics of all members, told apart by the label member, and of the process. A nil one
// serves nothing.
type metricsServer struct {
	registry *prometheus.Registry
	listener net.Listener
	server   *http.Server
	done     chan struct{}
}

// serveMetrics listens at an address; "" is none. Without host it is the loopback's.
func serveMetrics(address string) (*metricsServer, error) {
	if address == "" {
		return nil, nil
	}
	if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, usagef("--metrics: %v", err)
	}
	s := &metricsServer{registry: prometheus.NewRegistry(), listener: l, done: make(chan struct{})}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return // the listener failed; the run goes on without metrics
		}
	}()
	return s, nil
}

func (s *metricsServer) address() string { return s.listener.Addr().String() }

// registerer returns where engines register; nil for a nil server.
func (s *metricsServer) registerer() prometheus.Registerer {
	if s == nil {
		return nil
	}
	return s.registry
}

func (s *metricsServer) close() {
	if s != nil {
		_ = s.server.Close() // ends connections too; what is unread of them is of no use any more
		<-s.done
	}
}
