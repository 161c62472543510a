package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// serve serves /metrics, and /locks with the highest lock of each lane, one a line. The returned
// function stops it.
func serve(o *options, e *engine.Engine, registry *prometheus.Registry) (stop func(), err error) {
	listener := o.httpListener
	if listener == nil {
		if o.http == "" {
			return func() {}, nil
		}
		if listener, err = net.Listen("tcp", o.http); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/locks", func(w http.ResponseWriter, r *http.Request) {
		status, err := e.Status(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		for _, lane := range status.Lanes {
			lock, ok, err := e.Certificate(r.Context(), lane.Sequencer, lane.Certified)
			if err == nil && ok {
				fmt.Fprintf(w, "%x\n", lock.AppendTo(nil))
			}
		}
	})
	server := &http.Server{Handler: mux}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with Close
	}()
	return func() {
		_ = server.Close()
		<-done
	}, nil
}

// printLocks asks processes for their highest locks and prints the highest of each lane.
func printLocks(out io.Writer, addresses []string) error {
	if len(addresses) == 0 {
		return errors.New("want the -http addresses of a quorum of the other processes")
	}
	client := http.Client{Timeout: 10 * time.Second}
	highest := make(map[wire.PublicKey]wire.Lock)
	for _, address := range addresses {
		answer, err := client.Get("http://" + address + "/locks")
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
		err = errors.Join(err, answer.Body.Close())
		if err == nil && answer.StatusCode != http.StatusOK {
			err = errors.New(answer.Status)
		}
		if err != nil {
			return fmt.Errorf("asking %s: %w", address, err)
		}
		for line := range strings.Lines(string(text)) {
			lock, err := decodeLock(line, nil)
			if err != nil {
				return fmt.Errorf("the answer of %s: %w", address, err)
			}
			if known, ok := highest[lock.Chunk.Sequencer]; !ok || known.Chunk.Height < lock.Chunk.Height {
				highest[lock.Chunk.Sequencer] = lock
			}
		}
	}
	for _, lock := range highest {
		if _, err := fmt.Fprintf(out, "%x\n", lock.AppendTo(nil)); err != nil {
			return err
		}
	}
	return nil
}

// decodeLock reads a line. Without formats the certificate is the rest of it.
func decodeLock(line string, formats wire.Formats) (lock wire.Lock, err error) {
	b, err := hex.DecodeString(strings.TrimSpace(line))
	if err != nil {
		return lock, err
	}
	if formats == nil {
		return lock, lock.DecodeStored(b)
	}
	return lock, lock.Decode(b, formats)
}

func readLocks(name string, formats wire.Formats) (locks []wire.Lock, err error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		lock, err := decodeLock(lines.Text(), formats)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		locks = append(locks, lock)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(locks) == 0 {
		return nil, fmt.Errorf("%s holds no lock", name)
	}
	return locks, nil
}
