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

// Config configures a member. Fields are required unless their comment says otherwise.
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

	// Dir is the member's folder: for the journal, the archive, and the file cursor. Create says
	// that the member has never been started; see replica.Config.Create.
	Dir    string
	Create bool

	// Size is the length of the bodies that the member makes, at least MinSize. Rate is the number
	// of bodies per second; 0: as many as the lane takes.
	Size int
	Rate float64
	// Seed is equal for all members and all runs of a network. Run is a different number in each
	// run of each member.
	Seed, Run uint64

	// Listen returns the listener for a start. It is called again when a member is started again,
	// and must then return a listener at the same address. nil: the member only dials.
	Listen func() (net.Listener, error)
	// Addresses returns the addresses of the others.
	Addresses func() map[wire.PublicKey]string

	// Transport replaces the replica's own network; Listen, Addresses and Network are then unset.
	// It carries replica.Types.
	Transport network.Transport
	// Begun, if set, is called once the folder has its journal and archive, before anything is
	// sent.
	Begun func() error

	// Engine, Network and Archive tune the parts of the replica, like the fields of replica.Config
	// with these names. All may be zero.
	Engine  engine.Config
	Network network.Config
	Archive archive.Config

	// Keep is the time for which the member keeps delivered bodies, for members that are behind or
	// away. After that time its watermark passes them, and the archive reuses their room.
	Keep time.Duration
	// Least returns the lowest height of a lane that some other member may still need: the
	// watermark stays below it. nil: only Keep counts.
	Least func(lane wire.PublicKey) uint64

	// WatchHeap has the peak of the heap counted. Set it only if the process, and so its heap,
	// belongs to this member alone.
	WatchHeap bool

	// Recorder gets the certificates and deliveries.
	Recorder Recorder
	// Problems collects the faults.
	Problems *audit.Problems
	// Metrics registers the metrics of the replica while it runs; nil: no metrics. Members that
	// share one need a label each.
	Metrics prometheus.Registerer
	// Logger gets the messages for operators; nil: nothing is logged.
	Logger *slog.Logger
}

func (c *Config) identity() wire.PublicKey {
	return wire.PublicKey(c.Key.Public().(ed25519.PublicKey))
}

// lane returns the index of the member's own lane; false if it has none.
func (c *Config) lane() (int, bool) {
	return slices.BinarySearchFunc(c.Lanes, c.identity(), wire.PublicKey.Compare)
}

// Recorder gets the certificates and deliveries of a member. Its methods are called from many
// goroutines, and do not block.
type Recorder interface {
	// Certified is called with each lock that the engine reports.
	Certified(c Certification)
	// Delivered is called once with each delivered chunk, by ascending heights within a lane.
	Delivered(d Delivery)
}

// Certification is a certified chunk.
type Certification struct {
	Lock *wire.Lock // valid during the call
	// Own reports that this member made the body since its last start. Took is then the time since
	// the body was made or, with a rate, due.
	Own  bool
	Took time.Duration
}

// Delivery is a chunk that was delivered to a member.
type Delivery struct {
	Chunk wire.Chunk
	// Timed reports that Took is known: the body was made after Open. Took is the time since the
	// body was made or, with a rate, due, by the clocks of two members: the sequencer's and ours.
	// It may be negative if these clocks differ.
	Timed bool
	Took  time.Duration
}
