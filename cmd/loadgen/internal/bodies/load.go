package bodies

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
)

// MaxSize is the length limit of a body in a replica, in bytes.
const MaxSize = 64 << 20

// Load holds the flags about bodies.
type Load struct {
	Size   int           // bytes of a body; 0: chunks have no bodies, members are no replicas
	Rate   float64       // bodies per second of each lane; 0: as fast as the lane takes them
	Follow int           // number of processes without weight that get all bodies
	Away   time.Duration // time for which one validator is away; 0: none leaves
}

// Bind defines the flags.
func (l *Load) Bind(f *pflag.FlagSet) {
	f.Var(cli.Size(&l.Size), "payload-size", "length of the bodies, such as 256KiB: members are replicas then, over TLS on loopback; 0 for none")
	f.Float64Var(&l.Rate, "rate", l.Rate, "bodies a second of each lane, made when they are due (default: as fast as the lane takes them)")
	f.IntVar(&l.Follow, "follow", l.Follow, "followers: replicas without weight that are delivered everything")
	f.DurationVar(&l.Away, "away", l.Away, "how long one validator is away, after a warm-up; it comes back and catches up")
}

// BindOfNetwork defines the flags that apply to a network whose members are started by hand.
func (l *Load) BindOfNetwork(f *pflag.FlagSet) {
	f.Var(cli.Size(&l.Size), "payload-size", "length of the bodies, such as 256KiB: members are replicas then; 0 for none")
	f.Float64Var(&l.Rate, "rate", l.Rate, "bodies a second of each lane, made when they are due (default: as fast as the lane takes them)")
	f.IntVar(&l.Follow, "follow", l.Follow, "followers: replicas without weight that are delivered everything; their addresses come last")
}

// On reports whether chunks have bodies.
func (l *Load) On() bool { return l.Size > 0 }

// MostRate is the highest rate of bodies per second and lane.
const MostRate = 10_000

const (
	mostFollowers = 64
	mostAway      = time.Hour
)

// Check returns a cli usage error for the first flag that is out of range or does not go with the
// others. If a member is to be away and no duration was given, it prolongs the run so that the
// member can return.
func (l *Load) Check(cfg *setup.Config) error {
	if !l.On() {
		for _, flag := range []string{"rate", "follow", "away"} {
			if cfg.Explicit(flag) {
				return cli.Usagef("--%s goes with --payload-size", flag)
			}
		}
		return nil
	}
	switch {
	case l.Size < MinSize || l.Size > MaxSize:
		return cli.Usagef("--payload-size must be 0 or from %d bytes to %s, got %d", MinSize, cli.SizeText(MaxSize), l.Size)
	case !(l.Rate >= 0 && l.Rate <= MostRate): // written so that NaN fails
		return cli.Usagef("--rate must be from 0 to %d bodies a second of each lane, got %v", MostRate, l.Rate)
	case l.Follow < 0 || l.Follow > mostFollowers:
		return cli.Usagef("--follow must be from 0 to %d, got %d", mostFollowers, l.Follow)
	case l.Away < 0 || l.Away > mostAway:
		return cli.Usagef("--away must be from 0 to %v, got %v", mostAway, l.Away)
	case l.Away == 0:
		return nil
	case l.Rate == 0:
		return cli.Usagef("--away needs --rate: the member cannot catch up with others that certify as fast as they can")
	}
	if !cfg.Explicit("duration") {
		cfg.Duration = l.Away + 2*longestWarmup
	}
	if least := l.Away + 2*shortestWarmup; cfg.Duration < least {
		return cli.Usagef("--duration must be at least %v with --away %v: the run goes on before and after", least, l.Away)
	}
	return nil
}

const (
	shortestWarmup = time.Second
	longestWarmup  = 20 * time.Second
)

// Warmup returns the time from the begin of a run until the member that is to be away leaves.
func (l *Load) Warmup(duration time.Duration) time.Duration {
	return min(longestWarmup, (duration-l.Away)/2)
}

// bodiesInMemory estimates the number of bodies that a replica may hold in memory, incoming and
// outgoing.
const bodiesInMemory = 16

// Memory estimates the bytes of memory that this many members may take for bodies.
func (l *Load) Memory(members int) int64 { return bodiesInMemory * int64(members) * int64(l.Size) }

// Kept returns the bytes of bodies that each member keeps while one is away, for this many lanes.
func (l *Load) Kept(lanes int) int64 {
	return int64(l.Rate*l.Away.Seconds()*float64(lanes)) * int64(l.Size)
}
