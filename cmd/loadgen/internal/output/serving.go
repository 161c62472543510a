package output

import (
	"bytes"
	"net"
	"net/http"
	httppprof "net/http/pprof"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/profile"
)

// serving holds the resources open during runs: the servers of --metrics and --pprof, and the file
// of --cpuprofile.
type serving struct {
	process   *prometheus.Registry // metrics of the program itself
	current   atomic.Pointer[measure.Registry]
	servers   []*http.Server
	done      sync.WaitGroup
	addresses []string // lines that name the servers' addresses

	profile *File
	foreign bool // --pprof is given: its clients take the CPU profile, so this program takes none
}

func newServing() *serving {
	v := &serving{process: prometheus.NewRegistry()}
	v.process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return v
}

// open opens the servers and files that the flags name.
func (v *serving) open(o *Config) (err error) {
	v.foreign = o.pprof != ""
	if o.metrics != "" {
		handler := promhttp.HandlerFor(prometheus.GathererFunc(v.gather), promhttp.HandlerOpts{})
		if err = v.listen("metrics", o.metrics, "/metrics", handler); err != nil {
			return err
		}
	}
	if o.pprof != "" {
		mux := http.NewServeMux()
		mux.HandleFunc("/debug/pprof/", httppprof.Index)
		mux.HandleFunc("/debug/pprof/profile", httppprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", httppprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", httppprof.Trace)
		mux.HandleFunc("/debug/pprof/cmdline", httppprof.Cmdline)
		if err = v.listen("pprof", o.pprof, "/debug/pprof/", mux); err != nil {
			return err
		}
	}
	v.profile, err = OpenFile("cpuprofile", o.cpuProfile)
	return err
}

// listen serves a path at an address; an address without host means the loopback interface.
func (v *serving) listen(flag, address, path string, handler http.Handler) error {
	if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return cli.Usagef("--%s: %v; give a free address, or :0 for any free port", flag, err)
	}
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	v.servers = append(v.servers, server)
	v.addresses = append(v.addresses, flag+" at http://"+l.Addr().String()+path)
	v.done.Go(func() { _ = server.Serve(l) }) // if the listener fails the run goes on without
	return nil
}

// show sets the registry that is served.
func (v *serving) show(r *measure.Registry) { v.current.Store(r) }

func (v *serving) gather() ([]*dto.MetricFamily, error) {
	all := prometheus.Gatherers{v.process}
	if r := v.current.Load(); r != nil {
		all = append(all, r)
	}
	return all.Gather()
}

func (v *serving) close() {
	for _, s := range v.servers {
		_ = s.Close() // ends connections too; unread data is of no use any more
	}
	v.done.Wait()
	v.profile.Close()
}

// Profile is a CPU profile that is being taken.
type Profile struct {
	serving *serving
	raw     bytes.Buffer
	on      bool
}

func (v *serving) startProfile() *Profile {
	p := &Profile{serving: v}
	p.on = !v.foreign && pprof.StartCPUProfile(&p.raw) == nil
	return p
}

// Stop ends the profile, writes it to --cpuprofile if it is the first, and returns the engines' CPU
// time by part; nil if it is not known.
func (p *Profile) Stop() ([]profile.Part, error) {
	if !p.on {
		return nil, nil
	}
	pprof.StopCPUProfile()
	if err := p.serving.profile.Write(p.raw.Bytes()); err != nil {
		return nil, err
	}
	parts, err := profile.Read(p.raw.Bytes())
	if err != nil {
		return nil, nil // the page does not need them
	}
	return parts, nil
}
