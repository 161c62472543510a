package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// blocked is a reporter's hook that returns only when its context ends.
func blocked(ctx context.Context, _ wire.Activity) error {
	<-ctx.Done()
	return ctx.Err()
}

// missing returns the number of heights of a lane below limit for which there is no lock.
func missing(lane wire.PublicKey, limit uint64, locks ...wire.Lock) (n int) {
	seen := map[uint64]bool{}
	for _, l := range locks {
		if l.Chunk.Sequencer == lane {
			seen[l.Chunk.Height] = true
		}
	}
	for h := range limit {
		if !seen[h] {
			n++
		}
	}
	return n
}

// 4.4: A lock's record stays in the journal until the reporter has returned for it; after a restart
// every lock whose report had not returned is reported again.
//
// The reporter is behind, and the engine stops in an orderly way.
func TestRule4_4_LocksThatWaitForTheReporterAtAnOrderlyStopAreReportedInTheNextRun(t *testing.T) {
	t.Parallel()
	const heights = 100
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	lane := oneLane(w, members)
	slow := members[1]
	slow.config.DrainTimeout = 50 * time.Millisecond
	slow.recorder.Hook = blocked
	members[0].app.limit = heights
	startAll(t, net, members)
	eventually(t, "all is locked elsewhere", func() bool { return members[0].recorder.Height(lane) == heights })
	eventually(t, "the slow one has the locks too", func() bool {
		s := status(t, slow.engine)
		return len(s.Lanes) == 1 && s.Lanes[0].Certified >= heights-2 && s.Unreported >= heights-2
	})
	had := status(t, slow.engine).Unreported
	if err := slow.halt(); err != nil {
		t.Fatal(err)
	}
	slow.recorder.Hook = nil
	slow.open(t, net, members...)
	slow.start()
	eventually(t, "all that it had is reported", func() bool { return heights-missing(lane, heights, slow.recorder.Locks()...) >= had })
	eventually(t, "nothing is owed any more", func() bool { return status(t, slow.engine).Unreported == 0 })
	if err := slow.halt(); err != nil {
		t.Fatal(err)
	}
	// Once they have been reported, only the top of the lane is reported again: the top that it
	// had, for the lane's last lock is promised to no process.
	top := slow.recorder.Height(lane)
	slow.recorder = &testkit.Recorder{}
	slow.config.Reporter = slow.recorder
	slow.open(t, net, members...)
	slow.start()
	eventually(t, "the top is reported", func() bool { return slow.recorder.Height(lane) >= top })
	haltAll(t, members)
	if n := len(slow.recorder.Locks()); n > 4 {
		t.Errorf("%d locks were reported again that had been", n)
	}
}

// 4.4: A lock's record stays in the journal until the reporter has returned for it; after a restart
// every lock whose report had not returned is reported again.
//
// The reporter takes some milliseconds per report, and the process is killed: the folder is copied
// while the engine runs.
func TestRule4_4_LocksThatWaitForTheReporterAtAKillAreReportedInTheNextRun(t *testing.T) {
	t.Parallel()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	m.config.ProposeBackoff = time.Millisecond
	m.recorder.Hook = func(ctx context.Context, _ wire.Activity) error {
		select {
		case <-time.After(5 * time.Millisecond):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	startAll(t, net, members)
	eventually(t, "the reporter is behind", func() bool {
		return m.recorder.Height(m.id) >= 10 && status(t, m.engine).Unreported > 40
	})
	locks := m.recorder.Locks() // of the application at the moment of the kill
	copied := copyFolder(t, m.config.Journal.Dir)
	haltAll(t, members)
	m.config.Journal.Dir = copied
	m.recorder = &testkit.Recorder{}
	m.config.Reporter = m.recorder
	m.open(t, net, members...)
	certified := uint64(0)
	m.app.limit = 0
	m.start()
	eventually(t, "it has reported the recovered state", func() bool {
		s := status(t, m.engine)
		if len(s.Lanes) == 1 && s.Lanes[0].HasCertified {
			certified = s.Lanes[0].Certified
		}
		return certified > 0 && s.PendingReports == 0 && m.recorder.Height(m.id) == certified+1
	})
	haltAll(t, members)
	if n := missing(m.id, certified+1, append(locks, m.recorder.Locks()...)...); n > 0 {
		t.Errorf("%d of %d locks were reported in neither run", n, certified+1)
	}
}

// 5.7: When the reporter's queue or the bytes not yet durable reach their limit, the loop stops
// taking messages in and asks for no proposal.
//
// With one validator nothing depends on messages: the lane stands still only because no payload is
// requested.
func TestRule5_7_ASingleValidatorDoesNotOutgrowABlockedReporter(t *testing.T) {
	t.Parallel()
	set := newSet(t, testkit.Ed25519, 1, 1)
	synctest.Test(t, func(t *testing.T) {
		net, _, members := newCluster(t, set)
		m := members[0]
		m.config.MaxPendingReports = 16
		m.config.DrainTimeout = 50 * time.Millisecond
		m.config.ProposeBackoff = time.Millisecond
		m.app.limit = 200
		release := make(chan struct{})
		m.recorder.Hook = func(ctx context.Context, _ wire.Activity) error {
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		startAll(t, net, members)
		synctest.Wait() // the lane stands still, at least until time passes
		s := status(t, m.engine)
		stands := s.Lanes[0].Tip
		if !s.Paused || stands >= 100 {
			t.Fatalf("the lane is at %d, paused %v", stands, s.Paused)
		}
		time.Sleep(time.Minute) // of rebroadcasts, every 100 ms
		if s := status(t, m.engine); s.PendingReports > 2*m.config.MaxPendingReports || s.Lanes[0].Tip > stands+1 {
			t.Errorf("%d reports wait, MaxPendingReports is %d; the lane went on from %d to %d", s.PendingReports, m.config.MaxPendingReports,
				stands, s.Lanes[0].Tip)
		}
		close(release)
		eventually(t, "the lane goes on", func() bool { return m.recorder.Height(m.id) > stands+50 })
		haltAll(t, members)
	})
}

// 4.2.5: When a waiting node is replaced by a higher one, its parent certificate goes on as a
// statement of its own, so that a process that falls behind for a moment loses no lock that reached
// it.
//
// Sixteen nodes of one lane come at once. Only the last of them is verified as a node.
func TestRule4_2_5_LocksThatReachAProcessThatIsBehindAreReported(t *testing.T) {
	t.Parallel()
	const nodes = 16
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	lane := oneLane(w, members)
	var sent [][]byte
	collect := make(chan []byte, 1024)
	members[0].config.Sender = &nodeTap{Sender: members[0].config.Sender, nodes: collect}
	members[0].app.limit = nodes
	startAll(t, net, members[:3]) // a quorum
	eventually(t, "the lane is full", func() bool { return members[0].recorder.Height(lane) == nodes })
	haltAll(t, members[:3])
	close(collect)
	for message := range collect {
		var n wire.Node
		if err := n.DecodeStored(message); err != nil {
			t.Fatal(err)
		}
		if int(n.Chunk.Height) == len(sent) {
			sent = append(sent, message)
		}
	}
	if len(sent) != nodes {
		t.Fatalf("%d nodes were sent", len(sent))
	}
	late := members[3]
	late.open(t, net)
	peer, err := late.engine.Peer(lane)
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range sent { // before it runs: it takes all of them at once
		if err := peer.DeliverNodeBytes(message); err != nil {
			t.Fatal(err)
		}
	}
	late.start()
	eventually(t, "every lock is reported", func() bool { return missing(lane, nodes-1, late.recorder.Locks()...) == 0 })
	if n := len(late.recorder.Locks()); n != nodes-1 {
		t.Errorf("%d locks were reported of %d", n, nodes-1)
	}
	haltAll(t, members[3:])
	demandSound(t, w.schemes, members)
}
