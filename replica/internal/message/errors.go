package message

import "errors"

// Errors of messages, besides those of packages wire and payload.
var (
	// ErrCount: a count is out of its range.
	ErrCount = errors.New("count out of range")
	// ErrOrder: items are not in the order that their message demands.
	ErrOrder = errors.New("out of order")
	// ErrMore: a page says that more follows where nothing can.
	ErrMore = errors.New("nothing can follow this page")
	// ErrReason: the reason of an absence is not assigned.
	ErrReason = errors.New("unknown reason")
	// ErrPieceSize: a piece has no bytes, or more than the longest one.
	ErrPieceSize = errors.New("no length of a piece")
)
