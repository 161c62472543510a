package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
)

// The network between the namespaces.
const (
	netnsDelay = 20 * time.Millisecond
	netnsLoss  = 0.01 // of the packets
)

// Four members, each in its own network namespace, 20 ms apart and with one packet in a hundred
// lost: TCP sends lost packets again, and everything behind them waits. If the kernel has tc netem,
// it delays and loses the packets; otherwise this test's process carries them between devices.
func TestMembersInNetworkNamespacesOfTheirOwn(t *testing.T) {
	if os.Getenv("LANECAST_NETNS") == "" {
		t.Skip("set LANECAST_NETNS, as root on Linux")
	}
	dir := filepath.Join(t.TempDir(), "network")
	var names, addresses []string
	for i := 1; i <= 4; i++ {
		names = append(names, fmt.Sprintf("lanecast-%d", i))
		addresses = append(addresses, fmt.Sprintf("10.231.7.%d:7600", i))
	}
	for _, name := range names {
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		command(t, "ip netns add "+name)
		command(t, "ip -n "+name+" link set lo up")
	}
	if err := connectByNetem(t, names); err != nil {
		t.Logf("without netem, which this kernel refuses: %v", err)
		connectByTun(t, names)
	}
	o := loadgen(t.Context(), "init", dir, "--address", strings.Join(addresses, ","), "--duration", "15s")
	if o.Status != cli.Good {
		t.Fatalf("%+v", o)
	}
	var members sync.WaitGroup
	for i, name := range names {
		members.Go(func() {
			inside := program("member", filepath.Join(dir, fmt.Sprintf("member-%04d", i+1)), "--live", "none")
			cmd := exec.CommandContext(t.Context(), "ip", append([]string{"netns", "exec", name}, inside.Args...)...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("member %d: %v:\n%s", i+1, err, out)
			}
		})
	}
	members.Wait()
	o = loadgen(t.Context(), "merge", dir)
	t.Logf("%s", o.Stdout)
	r := clitest.MustRun[cluster.Result](t, newRootCommand(), "merge", dir)
	if r.Retransmitted == 0 {
		t.Error("nothing was sent again: no packet was lost")
	}
	if least := 2 * float64(netnsDelay.Milliseconds()); r.LatencyMS.P50 < least || r.Others.P50 < least {
		t.Errorf("p50 %v ms, and %v ms elsewhere, below the %v ms of a round trip", r.LatencyMS.P50, r.Others.P50, least)
	}
}

// command runs a command that must succeed.
func command(t *testing.T, line string) {
	t.Helper()
	if err := try(line); err != nil {
		t.Fatal(err)
	}
}

func try(line string) error {
	words := strings.Fields(line)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, cli.OneLine(errors.New(string(out))))
	}
	return nil
}

// connectByNetem joins namespaces by a bridge in a namespace of its own. An error means that there
// is no netem.
func connectByNetem(t *testing.T, names []string) error {
	const hub = "lanecast-hub"
	command(t, "ip netns add "+hub)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", hub).Run() })
	shaping := fmt.Sprintf("root netem delay %v loss %g%%", netnsDelay, 100*netnsLoss)
	if err := try("tc -n " + hub + " qdisc add dev lo " + shaping); err != nil {
		return err
	}
	command(t, "ip -n "+hub+" link add br0 type bridge")
	command(t, "ip -n "+hub+" link set br0 up")
	for i, name := range names {
		port := fmt.Sprintf("port%d", i)
		command(t, fmt.Sprintf("ip -n %s link add %s type veth peer name eth0 netns %s", hub, port, name))
		command(t, fmt.Sprintf("ip -n %s link set %s master br0 up", hub, port))
		command(t, fmt.Sprintf("ip -n %s addr add 10.231.7.%d/24 dev eth0", name, i+1))
		command(t, "ip -n "+name+" link set eth0 up")
		command(t, "tc -n "+name+" qdisc add dev eth0 "+shaping)
	}
	return nil
}

// connectByTun gives each namespace a device whose packets this process carries to the others.
func connectByTun(t *testing.T, names []string) {
	devices := make(map[netip.Addr]*os.File)
	var carrying sync.WaitGroup
	for i, name := range names {
		device, err := tunIn(name)
		if err != nil {
			t.Fatal(err)
		}
		command(t, fmt.Sprintf("ip -n %s addr add 10.231.7.%d/24 dev tun0", name, i+1))
		command(t, "ip -n "+name+" link set tun0 up")
		devices[netip.AddrFrom4([4]byte{10, 231, 7, byte(i + 1)})] = device
	}
	t.Cleanup(func() {
		for _, d := range devices {
			_ = d.Close()
		}
		carrying.Wait()
	})
	for _, from := range devices {
		carrying.Go(func() { carry(from, devices) })
	}
}

// carry forwards the packets of a device in order, each when it is due, and drops some of them.
func carry(from *os.File, devices map[netip.Addr]*os.File) {
	type packet struct {
		due   time.Time
		to    *os.File
		bytes []byte
	}
	late := make(chan packet, 1<<14)
	defer close(late)
	go func() {
		for p := range late {
			time.Sleep(time.Until(p.due))
			_, _ = p.to.Write(p.bytes) // a packet that a device refuses is lost
		}
	}()
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		const header = 20
		if n < header || buffer[0]>>4 != 4 {
			continue
		}
		to := devices[netip.AddrFrom4([4]byte(buffer[16:20]))]
		if to == nil || rand.Float64() < netnsLoss {
			continue
		}
		select {
		case late <- packet{time.Now().Add(netnsDelay), to, append([]byte(nil), buffer[:n]...)}:
		default:
		}
	}
}

// tunIn makes the device tun0 in a network namespace.
func tunIn(name string) (*os.File, error) {
	// The goroutine ends without unlocking if it cannot go back, which ends the thread.
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer here.Close()
	there, err := os.Open("/run/netns/" + name)
	if err != nil {
		return nil, err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("entering %s: %w", name, err)
	}
	device, err := openTun()
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		return nil, errors.Join(err, back)
	}
	runtime.UnlockOSThread()
	return device, err
}

func openTun() (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq("tun0")
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a device: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "tun0"), nil
}
