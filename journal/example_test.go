package journal_test

import (
	"fmt"
	"os"

	"github.com/lanecast/lanecast/journal"
)

// An owner keeps the newest state of a value, and shows it to others only once it is durable.
func Example() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	durable := make(chan struct{}, 1)
	config := journal.Config{Dir: dir, Create: true, First: []byte("zero"), Notify: func() {
		select {
		case durable <- struct{}{}:
		default: // the owner has not read the last notice yet
		}
	}}
	j, err := journal.Open(config, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	last := journal.Position(1) // the position of "zero"
	for _, state := range []string{"one", "two", "three"} {
		p, err := j.Append([]byte(state))
		if err != nil {
			fmt.Println(err)
			return
		}
		j.Release(last) // after the record that supersedes it
		last = p
	}
	for j.Durable() < last && j.Err() == nil {
		<-durable
	}
	fmt.Println("durable up to", j.Durable())
	if err := j.Close(); err != nil {
		fmt.Println(err)
		return
	}

	var state string
	last = 0
	config.Create = false // by now there must be a log
	j, err = journal.Open(config, func(p journal.Position, record []byte) error {
		if p > last { // dead records may be replayed too, and not always in order
			last, state = p, string(record)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("found", state)
	if err := j.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// durable up to 4
	// found three
}
