//go:build cgo && unix

package smallstack

// #cgo LDFLAGS: -lpthread
// #include "smallstack.h"
import "C"

import (
	"fmt"
	"os"
	"runtime/cgo"
	"syscall"
)

// Run calls f on a thread of its own whose stack has size bytes, rounded up to a multiple of the
// page size, and returns the number of bytes used. If the stack is too small, the process ends.
// Go's own code uses part of it around each call into C; goroutines' stacks are elsewhere. f must
// return: neither panic nor runtime.Goexit may leave it.
func Run(size int, f func()) (used int, err error) {
	page := os.Getpagesize()
	size = (size + page - 1) / page * page
	handle := cgo.NewHandle(f)
	defer handle.Delete()
	n := C.lanecast_on_small_stack(C.size_t(size), C.uintptr_t(handle))
	if n < 0 {
		return 0, fmt.Errorf("smallstack: a thread with a stack of %d bytes: %w", size, syscall.Errno(-n))
	}
	return int(n), nil
}

//export lanecastSmallStack
func lanecastSmallStack(handle C.uintptr_t) { cgo.Handle(handle).Value().(func())() }

// Spend makes C use that many bytes of the stack, at least one.
func Spend(size int) { C.lanecast_spend(C.size_t(size)) }
