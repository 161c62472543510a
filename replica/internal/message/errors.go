package message

import "errors"

// What can be wrong with a message, beside what package wire's and package payload's errors say.
var (
	// ErrCount: a count that is out of its range.
	ErrCount = errors.New("count out of range")
	// ErrOrder: items that are not in the order that their message demands.
	ErrOrder = errors.New("out of order")
	// ErrMore: a page that says that more follows where nothing can.
	ErrMore = errors.New("nothing can follow this page")
	// ErrReason: a reason of an absence that is not assigned.
	ErrReason = errors.New("unknown reason")
	// ErrPieceSize: a piece without bytes, or longer than any.
	ErrPieceSize = errors.New("no length of a piece")
)
