// Package inbox queues messages from many peers for one consumer, without a lock.
//
// The engine's loop takes from it what the network's goroutines deliver. Each peer gets a
// [Producer] with a quota. The quotas together never exceed the capacity, so a peer that floods
// gets ErrQuota and takes no space from any other:
//
//	in, err := inbox.New[message](65536)
//	peer, err := in.Producer(256)               // when a peer connects; peer.Close() when it leaves
//
//	err = peer.Push(m)                          // any goroutine: nil, ErrQuota or ErrClosed, at once
//
//	for {                                       // the consumer
//		m, ok := in.Pop()
//		if !ok {
//			if in.Sleep() {
//				<-in.Wake()
//			}
//			continue
//		}
//		…
//	}
//
// The comment of [Inbox] says who writes which word, and why no wake-up is lost.
//
// What never happens here: looking into a message, copying or freeing one, and waiting, on either
// side.
package inbox
