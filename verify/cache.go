package verify

import "sync"

// cache remembers values that are costly to compute again, in bounded memory. It keeps two
// generations: when the young one is full it becomes the old one, and the old one is dropped. A
// value that is used stays, since a find in the old generation moves it to the young one. There is
// no other order, so a look-up is one or two map accesses.
//
// Values are shared between goroutines and must be immutable. Two goroutines that miss the same key
// at once both compute the value: that is rare, and cheaper than a wait.
type cache[K comparable, V any] struct {
	limit int // of one generation

	mu         sync.Mutex
	young, old map[K]V
}

// newCache returns a cache of at least limit and at most twice limit values.
func newCache[K comparable, V any](limit int) *cache[K, V] {
	return &cache[K, V]{limit: limit, young: make(map[K]V)}
}

// get returns the value of k, computed by make if it is not remembered. make runs without the lock.
func (c *cache[K, V]) get(k K, make func() V) V {
	v, ok := c.find(k)
	if !ok {
		v = make()
		c.add(k, v)
	}
	return v
}

// find returns the value of k if it is remembered.
func (c *cache[K, V]) find(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.young[k]
	if !ok {
		if v, ok = c.old[k]; ok {
			c.put(k, v)
		}
	}
	return v, ok
}

// add remembers v as the value of k.
func (c *cache[K, V]) add(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(k, v)
}

// put is called with mu held.
func (c *cache[K, V]) put(k K, v V) {
	if len(c.young) >= c.limit {
		c.old, c.young = c.young, make(map[K]V, c.limit)
	}
	c.young[k] = v
}

// size returns the number of values held, those in both generations counted twice.
func (c *cache[K, V]) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) + len(c.old)
}
