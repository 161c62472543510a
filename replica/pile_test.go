package replica_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/lanecast/lanecast/replica"
)

// docs/protocol.md 7.4: «headers go to disk, and a walk resumes after a restart».
func TestRule7_4_ALongWalkGoesByWayOfTheDiskAndResumes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.tune = func(_ int, config *replica.Config) { config.SetPage(8) }
		apps := make([]*chain, 4)
		for i := range c.ids {
			apps[i] = newChain(c.ids[i], 2000, 2)
			c.start(i, apps[i])
		}
		c.eventually(30*time.Second, "some chunks are handed over", c.everywhere(2))
		c.stop(3)
		for _, app := range apps {
			app.grow(100, 2000)
		}
		c.eventually(60*time.Second, "the others go on", func() bool {
			return apps[0].next(c.ids[0]) == 100 && apps[0].next(c.ids[1]) == 100 && apps[0].next(c.ids[2]) == 100
		})
		apps[3].pause(time.Hour) // its walks end, and nothing is handed over
		c.start(3, apps[3])
		c.eventually(30*time.Second, "there are piles", func() bool { return c.piles(3) == 3 })
		time.Sleep(5 * time.Second)
		c.stop(3)
		if n := c.piles(3); n != 3 {
			t.Errorf("%d piles were left for the next run, want 3", n)
		}
		c.damage(3)
		apps[3].pause(0)
		c.start(3, apps[3])
		c.eventually(60*time.Second, "every lane is handed over", c.everywhere(100))
		if n := c.piles(3); n != 0 {
			t.Errorf("%d piles are left", n)
		}
		c.stopAll()
	})
}

// piles returns how many files of walks a replica has.
func (c *cluster) piles(i int) int { return len(c.pileNames(i)) }

func (c *cluster) pileNames(i int) []string {
	names, err := c.disk[i].ReadDir(filepath.Join("disk", "walks"))
	if err != nil {
		c.t.Fatal(err)
	}
	return names
}

// damage changes a byte in the middle of one file of a walk, and cuts another.
func (c *cluster) damage(i int) {
	names := c.pileNames(i)
	for k, name := range names[:2] {
		file, err := c.disk[i].Open(filepath.Join("disk", "walks", name))
		if err != nil {
			c.t.Fatal(err)
		}
		size, err := file.Size()
		if err == nil && k == 0 {
			_, err = file.WriteAt([]byte{0xaa, 0xaa, 0xaa}, size*2/3)
		} else if err == nil {
			err = file.Truncate(size - 100)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		_ = file.Close()
	}
}
