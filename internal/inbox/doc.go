// Package inbox queues messages from many peers for one consumer, without a lock.
//
// The network's goroutines deliver messages to it, and the engine's loop takes them out. Each peer
// gets a [Producer] with a quota. The sum of the quotas never exceeds the capacity, so a peer that
// floods gets ErrQuota and takes no space from any other peer:
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
// The comment of [Inbox] explains which goroutine writes which word, and why no wake-up is lost.
//
// The package never reads, copies or frees a message, and neither side waits in it.
package inbox
