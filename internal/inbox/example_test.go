package inbox_test

import (
	"fmt"

	"github.com/lanecast/lanecast/internal/inbox"
)

func Example() {
	in, err := inbox.New[string](8)
	if err != nil {
		panic(err)
	}
	loud, _ := in.Producer(2)
	quiet, _ := in.Producer(6)
	for _, m := range []string{"one", "two", "three"} {
		if err := loud.Push(m); err != nil {
			fmt.Println(m, err)
		}
	}
	fmt.Println(quiet.Push("four"))
	for m, ok := in.Pop(); ok; m, ok = in.Pop() {
		fmt.Println(m)
	}
	// Output:
	// three inbox: the producer's quota is used up
	// <nil>
	// one
	// two
	// four
}
