package main

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	httppprof "net/http/pprof"
	"os"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/spf13/cobra"
)

// outputs are the flags for what a run shows beside its result.
type outputs struct {
	report     string
	metrics    string
	pprof      string
	cpuProfile string
	live       string
}

func (o *outputs) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	o.live = "auto"
	f.StringVar(&o.report, "report", o.report, "file to write a page for a browser to, in one piece")
	f.StringVar(&o.metrics, "metrics", o.metrics, "address to serve the engine's Prometheus metrics at, as host:port or :port (loopback)")
	f.StringVar(&o.pprof, "pprof", o.pprof, "address to serve Go profiles at, likewise")
	f.StringVar(&o.cpuProfile, "cpuprofile", o.cpuProfile, "file to write a CPU profile of the measured time to")
	f.StringVar(&o.live, "live", o.live, "view while it runs: auto (a screen on a terminal, else lines), screen, lines or none")
}

func (o *outputs) check(explicit func(string) bool) error {
	for _, f := range []struct{ name, value, wants string }{
		{"report", o.report, "the name of a file"}, {"metrics", o.metrics, "an address, such as :9090"},
		{"pprof", o.pprof, "an address, such as :6060"}, {"cpuprofile", o.cpuProfile, "the name of a file"},
	} {
		if explicit(f.name) && f.value == "" {
			return usagef("--%s needs %s", f.name, f.wants)
		}
	}
	switch o.live {
	case "auto", "screen", "lines", "none":
		return nil
	}
	return usagef("--live must be auto, screen, lines or none, got %q", o.live)
}

// serving is what is open while runs go on. It is opened before the first, so that what cannot be is found out at once.
type serving struct {
	current    atomic.Pointer[registry]
	servers    []*http.Server
	addresses  []string
	profile    *os.File // for --cpuprofile
	profiled   bool     // a run has been
	foreign    bool     // --pprof: whoever asks there gets the profile, so there is none of ours
	report     *os.File
	reportName string
}

func (o *outputs) open() (v *serving, err error) {
	v = &serving{foreign: o.pprof != ""}
	defer func() {
		if err != nil {
			v.close()
		}
	}()
	if o.metrics != "" {
		handler := promhttp.HandlerFor(prometheus.GathererFunc(v.gather), promhttp.HandlerOpts{})
		if err = v.serve("metrics", o.metrics, "GET /metrics", handler); err != nil {
			return v, err
		}
	}
	if o.pprof != "" {
		mux := http.NewServeMux()
		mux.HandleFunc("/debug/pprof/", httppprof.Index)
		mux.HandleFunc("/debug/pprof/profile", httppprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", httppprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", httppprof.Trace)
		mux.HandleFunc("/debug/pprof/cmdline", httppprof.Cmdline)
		if err = v.serve("pprof", o.pprof, "/", mux); err != nil {
			return v, err
		}
	}
	if v.profile, err = create("cpuprofile", o.cpuProfile); err != nil {
		return v, err
	}
	if v.foreign && v.profile != nil {
		err = usagef("--pprof and --cpuprofile exclude each other: Go takes one CPU profile at a time")
		return v, err
	}
	v.report, err = create("report", o.report)
	v.reportName = o.report
	return v, err
}

// create opens a file to write, nil without a name, and leaves what is in it until something is written.
func create(flag, name string) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, usagef("--%s: %v", flag, err)
	}
	return f, nil
}

// replace makes b the contents of a file.
func replace(f *os.File, b []byte) error {
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	_, err := f.Write(b)
	return errors.Join(err, f.Close())
}

func (v *serving) serve(flag, address, pattern string, handler http.Handler) error {
	if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return usagef("--%s: %v", flag, err)
	}
	mux := http.NewServeMux()
	mux.Handle(pattern, handler)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	v.servers = append(v.servers, server)
	v.addresses = append(v.addresses, flag+" at http://"+l.Addr().String()+"/"+map[string]string{"metrics": "metrics", "pprof": "debug/pprof/"}[flag])
	go func() { _ = server.Serve(l) }() // if the listener fails the run goes on without
	return nil
}

// show makes a registry the one that is served.
func (v *serving) show(r *registry) { v.current.Store(r) }

func (v *serving) gather() (families []*dto.MetricFamily, err error) {
	if r := v.current.Load(); r != nil {
		return r.Gather()
	}
	return nil, nil
}

func (v *serving) close() {
	for _, s := range v.servers {
		_ = s.Close()
	}
	for _, f := range []*os.File{v.profile, v.report} {
		if f != nil {
			_ = f.Close() // closed already, or nothing was written
		}
	}
}

// profiling is a CPU profile under way; nil fields take none.
type profiling struct {
	serving *serving
	raw     bytes.Buffer
	on      bool
}

func (v *serving) startProfile() *profiling {
	p := &profiling{serving: v}
	p.on = !v.foreign && pprof.StartCPUProfile(&p.raw) == nil
	return p
}

// stop ends the profile, writes it to --cpuprofile (of the first run, if there are several), and returns where the
// engine's time went; nil if that is not known.
func (p *profiling) stop() []part {
	if !p.on {
		return nil
	}
	pprof.StopCPUProfile()
	if v := p.serving; v.profile != nil && !v.profiled {
		v.profiled = true
		_ = replace(v.profile, p.raw.Bytes())
	}
	parts, err := readParts(p.raw.Bytes())
	if err != nil {
		return nil
	}
	return parts
}
