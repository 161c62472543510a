#!/usr/bin/env python3
"""Writes payload.json, the vectors of payload format 1 (docs/protocol.md 7.1).

It shares nothing with package payload: trees and paths are computed by the recursive definitions of
RFC 6962 sections 2.1 and 2.1.1, with hashlib.

    python3 generate.py > payload.json
"""
import hashlib
import json

PIECE = 64 * 1024


def sha256(b):
    return hashlib.sha256(b).digest()


def body(size, seed):
    """Bytes that are easy to make again: SHA-256 of seed and counter, both u64 big-endian."""
    out = b""
    counter = 0
    while len(out) < size:
        out += sha256(seed.to_bytes(8, "big") + counter.to_bytes(8, "big"))
        counter += 1
    return out[:size]


def split(n):
    """The largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def root(d):
    if not d:
        return sha256(b"")
    if len(d) == 1:
        return sha256(b"\0" + d[0])
    k = split(len(d))
    return sha256(b"\1" + root(d[:k]) + root(d[k:]))


def path(m, d):
    if len(d) == 1:
        return []
    k = split(len(d))
    if m < k:
        return path(m, d[:k]) + [root(d[k:])]
    return path(m - k, d[k:]) + [root(d[:k])]


def varint(v):
    out = b""
    while v >= 0x80:
        out += bytes([v & 0x7F | 0x80])
        v >>= 7
    return out + bytes([v])


def header(f):
    return (b"\1" + bytes.fromhex(f["sequencer"]) + varint(int(f["height"])) + bytes.fromhex(f["parent"])
            + varint(int(f["size"])) + bytes.fromhex(f["root"]))


def digest(namespace, h):
    n = namespace + b"_PAYLOAD"
    return sha256(varint(len(n)) + n + h)


cases = []
sequencer, parent, zero = "11" * 32, "22" * 32, "00" * 32


def add_header(name, namespace, height, parent, size, root):
    fields = {"sequencer": sequencer, "height": str(height), "parent": parent, "size": str(size), "root": root}
    encoded = header(fields)
    cases.append({"name": name, "type": "header", "namespace": namespace.hex(), "encoded": encoded.hex(),
                  "decode": "ok", "fields": fields, "digest": digest(namespace, encoded).hex()})
    return encoded


def add_bad(name, encoded):
    cases.append({"name": name, "type": "header", "encoded": encoded.hex(), "decode": "error"})


plain = add_header("at height 0", b"_LANECAST", 0, zero, 5, "33" * 32)
high = add_header("above height 0", b"", 1, parent, 4 << 20, "44" * 32)
add_header("the greatest height, a namespace of 150 bytes", b"n" * 150, 2**64 - 1, parent, 0, sha256(b"").hex())
add_header("the longest header", b"long", 2**63, parent, 2**64 - 1, "55" * 32)
add_bad("empty", b"")
add_bad("format 0", b"\0" + plain[1:])
add_bad("format 2", b"\2" + plain[1:])
add_bad("a byte too many", plain + b"\0")
add_bad("a parent at height 0", plain[:33] + b"\0" + bytes.fromhex(parent) + plain[66:])
add_bad("no parent above height 0", high[:33] + b"\1" + bytes(32) + high[66:])
add_bad("height not canonical", plain[:33] + b"\x80\0" + plain[34:])
add_bad("size not canonical", plain[:66] + b"\x85\0" + plain[67:])
add_bad("size past 64 bits", plain[:66] + b"\xff" * 9 + b"\2" + plain[67:])
for cut in (1, 20, 33, 34, 50, 66, 67, 98):
    add_bad("cut to %d bytes" % cut, plain[:cut])

for size in (0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE - 7, 5 * PIECE, 7 * PIECE + 1, 8 * PIECE, 64 * PIECE):
    b = body(size, size)
    pieces = [b[i:i + PIECE] for i in range(0, size, PIECE)]
    shown = range(len(pieces)) if len(pieces) <= 8 else (0, 31, 32, len(pieces) - 1)
    cases.append({"name": "body of %d bytes" % size, "type": "tree", "size": str(size), "seed": str(size), "root": root(pieces).hex(),
                  "paths": [{"index": str(i), "leaf": sha256(b"\0" + pieces[i]).hex(),
                             "path": [p.hex() for p in path(i, pieces)]} for i in shown]})

print(json.dumps({"source": "generate.py: RFC 6962 by its recursive definition, hashlib", "cases": cases}, indent=1))
