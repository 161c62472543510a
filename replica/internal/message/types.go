package message

import (
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/payload"
)

// The types of the messages about payloads, docs/protocol.md 8.1.
const (
	TipsRequestType network.Type = 0x20 + iota
	TipsType                     // answers TipsRequestType
	HeadersRequestType
	HeadersType // answers HeadersRequestType
	PushType    // a payload.Header
	PushedPieceType
	PieceRequestType
	PieceType           // answers PieceRequestType
	AbsentType          // answers HeadersRequestType and PieceRequestType
	OwnChunkRequestType // has no bytes
	OwnChunkType        // answers OwnChunkRequestType
	NewLockType         // a wire.Lock
)

// PageLimit is the limit in bytes of messages that fill pages, and of own chunk.
const PageLimit = 128 << 10

// Types returns the types of all messages about payloads.
func Types() []network.MessageType {
	bulk := func(t network.Type, name string, kind network.Kind, limit int) network.MessageType {
		return network.MessageType{Type: t, Name: name, Class: network.Bulk, Kind: kind, Limit: limit}
	}
	return []network.MessageType{
		bulk(TipsRequestType, "tips request", network.Request, 1<<10),
		bulk(TipsType, "tips", network.Answer, PageLimit),
		bulk(HeadersRequestType, "headers request", network.Request, 128),
		bulk(HeadersType, "headers", network.Answer, PageLimit),
		bulk(PushType, "push", network.Plain, 256),
		bulk(PushedPieceType, "pushed piece", network.Plain, 66<<10),
		bulk(PieceRequestType, "piece request", network.Request, 128),
		bulk(PieceType, "piece", network.Answer, 68<<10),
		bulk(AbsentType, "absent", network.Answer, 16),
		bulk(OwnChunkRequestType, "own chunk request", network.Request, 0),
		bulk(OwnChunkType, "own chunk", network.Answer, PageLimit),
		bulk(NewLockType, "new lock", network.Plain, 66<<10),
	}
}

// All headers that may be asked for at once fit one page, whatever their lengths.
var _ [PageLimit - headersOverhead - MaxHeaders*payload.MaxHeaderSize]struct{}
