package bodies

import (
	"crypto/ed25519"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/audit"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// Config holds all that a member is made of. Fields without a comment that says otherwise are
// required.
type Config struct {
	// Name names the member in problems: "member 3", say.
	Name string
	// Namespace is the network's.
	Namespace []byte
	// Key is the member's identity. It makes bodies if it is among Lanes.
	Key ed25519.PrivateKey
	// Sets are the validators and sequencers. A follower has the sets and no signer.
	Sets replica.Sets
	// Lanes are the sequencers, ascending.
	Lanes []wire.PublicKey
	// Followers are the identities beside those in Sets that may connect; none by default.
	Followers []wire.PublicKey

	// Dir is the member's folder: for the journal, the archive, and the file cursor. Create says that
	// the member has never been started; see replica.Config.Create.
	Dir    string
	Create bool

	// Size is the length of the bodies that the member makes, at least MinSize, and Rate how many a
	// second; 0: as many as its lane takes.
	Size int
	Rate float64
	// Seed is the same for all members and all runs of a network. Run is another number in each run of
	// each member.
	Seed, Run uint64

	// Listen returns the listener of a start. It is called again when a member is started again, which
	// must have the same address. nil: the member only dials.
	Listen func() (net.Listener, error)
	// Addresses returns where the others can be dialled.
	Addresses func() map[wire.PublicKey]string

	// Transport is used instead of a network of the replica's own; Listen, Addresses and Network are
	// then unset. It carries replica.Types.
	Transport network.Transport
	// Begun, if set, is called when the folder has its journal and archive, before anything is sent.
	Begun func() error

	// Engine, Network and Archive tune the parts of the replica, as the fields of replica.Config with
	// these names do. All may be zero.
	Engine  engine.Config
	Network network.Config
	Archive archive.Config

	// Keep is how long the member keeps what it was delivered, for members that are behind or away.
	// Then its watermark passes it, and the archive's room is used again.
	Keep time.Duration
	// Least returns the first height of a lane that some other member may still need: the watermark
	// stays below it. nil: there is only Keep.
	Least func(lane wire.PublicKey) uint64

	// WatchHeap says that the process is this member's alone, so that its heap is too: its peak is
	// counted.
	WatchHeap bool

	// Recorder is told of certificates and deliveries.
	Recorder Recorder
	// Problems takes what must not happen.
	Problems *audit.Problems
	// Metrics is where the metrics of the replica are while it runs; nil: nowhere. Members that share
	// one need a label each.
	Metrics prometheus.Registerer
	// Logger gets what an operator should know; nil: nothing is logged.
	Logger *slog.Logger
}

func (c *Config) identity() wire.PublicKey {
	return wire.PublicKey(c.Key.Public().(ed25519.PublicKey))
}

// lane returns which of the lanes is the member's; false if none is.
func (c *Config) lane() (int, bool) {
	return slices.BinarySearchFunc(c.Lanes, c.identity(), wire.PublicKey.Compare)
}

// Recorder is told what a member finds. Its methods are called from many goroutines, and do not
// block.
type Recorder interface {
	// Certified is told of each lock that the engine reports.
	Certified(c Certification)
	// Delivered is told of each chunk that is handed over, once, by ascending heights of a lane.
	Delivered(d Delivery)
}

// Certification is a chunk that a member knows to be certified.
type Certification struct {
	Lock *wire.Lock // valid during the call
	// Own says that this member made the body, since it was started last. Took is then the time since
	// the body was made, or was due.
	Own  bool
	Took time.Duration
}

// Delivery is a chunk that a member was delivered.
type Delivery struct {
	Chunk wire.Chunk
	// Timed says that Took is known: the body was made after Open. Took is the time since it was made,
	// or was due, by the clocks of two members: the sequencer's and ours. It may be negative where
	// these differ.
	Timed bool
	Took  time.Duration
}
