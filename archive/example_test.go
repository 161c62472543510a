package archive_test

import (
	"context"
	"fmt"
	"os"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// A body is put, read, and dropped once the host no longer needs it and another one is the lane's
// top.
func Example() {
	dir, err := os.MkdirTemp("", "archive")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	a, err := archive.Open(archive.Config{Dir: dir, Create: true, Namespace: []byte("_EXAMPLE"), Retain: -1, MinFree: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Close()

	sequencer, parent := wire.PublicKey{7}, wire.Digest{}
	for height := range uint64(2) {
		body := fmt.Appendf(nil, "body %d", height)
		tree := payload.Build(body)
		h := payload.Header{Sequencer: sequencer, Height: height, Parent: parent, BodySize: tree.BodySize(), Root: tree.Root()}
		parent = payload.Digest([]byte("_EXAMPLE"), &h)
		durable := make(chan error, 1)
		if err := a.Put(archive.ForVote, archive.Body{Header: h, Tree: tree, Bytes: body}, func(err error) { durable <- err }); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("durable:", <-durable == nil) // only now may it be acked
	}
	_, body, err := a.Get(sequencer, 0, nil)
	fmt.Printf("%s, %v\n", body, err)

	if err := a.Prune(sequencer, 2, nil); err != nil {
		fmt.Println(err)
		return
	}
	if err := a.Flush(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	_, _, err = a.Get(sequencer, 0, nil)
	fmt.Println(err)
	_, body, err = a.Get(sequencer, 1, nil)
	fmt.Printf("%s, %v\n", body, err)
	// Output:
	// durable: true
	// durable: true
	// body 0, <nil>
	// archive: pruned: height 0 is below 2
	// body 1, <nil>
}
