package bodies

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/audit"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

func TestEveryMemberIsDeliveredTheSameOfEveryLane(t *testing.T) {
	r := newRig(t, 4, nil)
	r.begin()
	testkit.Eventually(t, "lanes have grown", func() bool {
		return !slices.ContainsFunc(r.lanes, func(lane wire.PublicKey) bool { return r.members[0].Next(lane) < 5 })
	})
	counters := r.settle()
	lanesOf := func(s *seen) map[wire.PublicKey][]wire.Chunk {
		s.mu.Lock()
		defer s.mu.Unlock()
		lanes := make(map[wire.PublicKey][]wire.Chunk)
		for _, c := range s.delivered {
			lanes[c.Sequencer] = append(lanes[c.Sequencer], c)
		}
		return lanes
	}
	first := lanesOf(r.seen[0])
	for i, s := range r.seen {
		for lane, chunks := range lanesOf(s) {
			if !slices.Equal(chunks, first[lane]) {
				t.Errorf("member %d was delivered %d chunks of lane %v, or others than the %d of member 0", i, len(chunks), lane, len(first[lane]))
			}
		}
		c := counters[i]
		if c.Made < 5 || int64(c.Certified) != s.certified.Load() || c.Certified > c.Made || c.CertifiedBytes != 3000*c.Certified ||
			c.Delivered != uint64(len(s.delivered)) || c.DeliveredBytes != 3000*c.Delivered || s.timed != len(s.delivered) || c.Repeated != 0 {
			t.Errorf("member %d: %+v, %d certified, %d deliveries, %d timed", i, c, s.certified.Load(), len(s.delivered), s.timed)
		}
		if c.BytesIn < c.DeliveredBytes/2 || c.BytesOut < 3*c.CertifiedBytes || c.Nodes == 0 || c.Acks == 0 {
			t.Errorf("member %d sent and received too little: %+v", i, c)
		}
	}
}

func TestAMemberThatIsMadeAgainOverItsFolderGoesOnWhereItWas(t *testing.T) {
	again := false
	change := func(i int, c *Config) {
		c.Keep, c.Rate, c.Create = time.Hour, 50, !again
	}
	r := newRig(t, 4, change)
	r.begin()
	grown := func(m *Member, by uint64) {
		t.Helper()
		from := make(map[wire.PublicKey]uint64)
		for _, lane := range r.lanes[:3] {
			from[lane] = r.members[0].Next(lane)
		}
		testkit.Eventually(t, "three lanes have grown", func() bool {
			return !slices.ContainsFunc(r.lanes[:3], func(lane wire.PublicKey) bool { return m.Next(lane) < from[lane]+by })
		})
	}
	grown(r.members[3], 3)
	if err := r.members[3].Start(); err == nil {
		t.Error("a member was started twice")
	}
	if err := r.members[3].Stop(); err != nil {
		t.Fatal(err)
	}
	if r.members[3].Engine() != nil || r.members[3].Heads() != nil || r.members[3].Peers() != 0 {
		t.Error("a stopped member has parts of a replica")
	}
	left := make(map[wire.PublicKey]uint64)
	for _, lane := range r.lanes {
		left[lane] = r.members[3].Next(lane)
	}
	grown(r.members[0], 3)
	again = true
	r.members[3] = r.member(3, change)
	if err := r.members[3].Start(); err != nil {
		t.Fatal(err)
	}
	r.members[3].Open(time.Now())
	grown(r.members[3], 3)
	r.settle()
	s := r.seen[len(r.seen)-1]
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.delivered {
		if c.Height < left[c.Sequencer] {
			t.Errorf("height %d of lane %v was delivered before", c.Height, c.Sequencer)
		}
	}
	if n := len(r.members[3].Heads()); n != 4 {
		t.Errorf("heads of %d lanes", n)
	}
}

func TestWatermarksFollowWhatWasDeliveredButNotAboveWhatOthersNeed(t *testing.T) {
	hold := make(chan struct{})
	var asked atomic.Int64
	least := func(wire.PublicKey) uint64 {
		asked.Add(1)
		select {
		case <-hold:
			return ^uint64(0)
		default:
			return 2
		}
	}
	r := newRig(t, 4, func(_ int, c *Config) { c.Size, c.Least = 100<<10, least })
	r.begin()
	testkit.Eventually(t, "every lane has grown", func() bool {
		return !slices.ContainsFunc(r.lanes, func(lane wire.PublicKey) bool { return r.members[0].Next(lane) < 12 })
	})
	r.settle()
	from := asked.Load()
	testkit.Eventually(t, "every member checks its watermarks twice", func() bool { return asked.Load() > from+3*4*4 })
	c := r.settle()
	if held := uint64(c[0].Archived); held < c[0].DeliveredBytes-4*2*100<<10 {
		t.Errorf("%d of %d bytes are kept, although others need them", held, c[0].DeliveredBytes)
	}
	close(hold)
	testkit.Eventually(t, "delivered bodies are dropped, but for the top of each lane", func() bool {
		return r.members[0].Counters().Archived <= 2*4*100<<10
	})
}

func TestWhatIsDeliveredWronglyIsAFault(t *testing.T) {
	problems, s := new(audit.Problems), new(seen)
	key := testkit.Identities(1, 1)[0]
	lane := testkit.Identity(key)
	c := Config{Name: "member 5", Key: key, Lanes: []wire.PublicKey{lane}, Size: 100, Recorder: s, Problems: problems}
	a := newApplication(&c)
	a.open(time.Now())
	body := a.generator.body(lane, 0, 9, time.Now(), 100)
	at := engine.Place{Sequencer: lane}
	if good, err := a.Verify(t.Context(), at, body); !good || err != nil {
		t.Error("a genuine body is refused")
	}
	body[50] ^= 1
	if good, err := a.Verify(t.Context(), at, body); good || err != nil {
		t.Error("a changed body is approved of")
	}
	if err := a.Deliver(t.Context(), replica.Chunk{Place: at, Body: body}); err != nil {
		t.Fatal(err)
	}
	if _, faults, texts := problems.All(); faults != 1 || !strings.Contains(texts[0], "member 5") {
		t.Errorf("%d faults: %q", faults, texts)
	}
	if b := a.counters(); b.Delivered != 1 || b.Checking < 0 || b.Lanes[0].Next != 1 {
		t.Errorf("%+v", b)
	}
}

func TestBodiesAreDueAtTheirRateWhateverBecameOfThoseBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := testkit.Identities(1, 1)[0]
		lane := testkit.Identity(key)
		c := Config{Key: key, Lanes: []wire.PublicKey{lane}, Size: 100, Rate: 10, Recorder: new(seen), Problems: new(audit.Problems)}
		a := newApplication(&c)
		began := time.Now()
		go func() {
			time.Sleep(time.Second)
			a.open(time.Now())
		}()
		made := func(height uint64) (due, at time.Duration) {
			body, err := a.Propose(t.Context(), engine.Place{Sequencer: lane, Height: height})
			if err != nil {
				t.Fatal(err)
			}
			return madeAt(body).Sub(began), time.Since(began)
		}
		const tenth = 100 * time.Millisecond
		for height := range uint64(3) {
			if due, at := made(height); due != at || due != time.Second+time.Duration(height)*tenth {
				t.Errorf("body %d was due after %v and made after %v", height, due, at)
			}
		}
		time.Sleep(time.Second) // the lane takes nothing in this time
		for height := uint64(3); height < 6; height++ {
			if due, at := made(height); due != time.Second+time.Duration(height)*tenth || at < due+7*tenth {
				t.Errorf("body %d was due after %v and made after %v", height, due, at)
			}
		}
		if b := a.counters(); b.Made != 6 || b.Due != 13 {
			t.Errorf("%d made, %d due", b.Made, b.Due)
		}
		a.stop()
		time.Sleep(time.Minute)
		if b := a.counters(); b.Due != 13 {
			t.Errorf("%d due after a pause", b.Due)
		}
		a.start()
		if due, at := made(6); due != at {
			t.Errorf("after the pause a body was due after %v and made after %v", due, at)
		}
	})
}

func TestNothingIsMadeAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := testkit.Identities(1, 1)[0]
		lane := testkit.Identity(key)
		c := Config{Key: key, Lanes: []wire.PublicKey{lane}, Size: 100, Rate: 1, Recorder: new(seen), Problems: new(audit.Problems)}
		a := newApplication(&c)
		a.open(time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() {
			time.Sleep(1500 * time.Millisecond)
			a.end()
			a.end()
		}()
		for height := range uint64(2) {
			if _, err := a.Propose(ctx, engine.Place{Sequencer: lane, Height: height}); err != nil {
				t.Fatal(err)
			}
		}
		if body, err := a.Propose(ctx, engine.Place{Sequencer: lane, Height: 2}); err == nil {
			t.Errorf("%d bytes were made after the end", len(body))
		}
		if b := a.counters(); b.Made != 2 || b.Lanes[0].Made != 2 {
			t.Errorf("%+v", b)
		}
	})
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	key := testkit.Identities(1, 1)[0]
	for _, change := range []func(*Config){
		func(c *Config) { c.Size = MinSize - 1 },
		func(c *Config) { c.Size = MaxSize + 1 },
		func(c *Config) { c.Lanes = []wire.PublicKey{{2}, {1}} },
		func(c *Config) { c.Recorder = nil },
		func(c *Config) { c.Problems = nil },
	} {
		c := Config{Key: key, Size: MinSize, Recorder: new(seen), Problems: new(audit.Problems)}
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	r := newRig(t, 1, nil)
	if err := os.MkdirAll(filepath.Join(r.dir, "0"), 0o755); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(r.dir, "0", cursorName)
	if err := os.WriteFile(name, []byte("no JSON"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.members[0].Start(); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("started over a damaged file: %v", err)
	}
}

func TestTheRoomOfADiskIsDividedAmongItsMembers(t *testing.T) {
	for _, c := range []struct {
		free          int64
		members, size int
		ok            bool
	}{
		{100 << 30, 4, 256 << 10, true}, {8 << 30, 4, 256 << 10, true}, {3 << 30, 4, 1 << 10, true},
		{1 << 30, 4, 256 << 10, false}, {0, 1, 256, false}, {8 << 30, 4, MaxSize, false}, {200 << 30, 4, MaxSize, true}, {1<<63 - 1, 64, 32, true},
	} {
		room, err := Room(c.free, c.members, c.size)
		if (err == nil) != c.ok {
			t.Errorf("%+v: %+v, %v", c, room, err)
			continue
		}
		if err == nil && int64(c.members)*(room.Quota+spareSegments*room.SegmentSize)+leftFree > c.free {
			t.Errorf("%+v: members may take more than there is: %+v", c, room)
		}
		if err == nil && (room.SegmentSize < 2*int64(c.size) || room.Quota < leastBodies*int64(c.size)) {
			t.Errorf("%+v: %+v is too little", c, room)
		}
	}
}
