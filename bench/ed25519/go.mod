module github.com/lanecast/lanecast/bench/ed25519

go 1.26.0

replace github.com/lanecast/lanecast => ../..

require (
	filippo.io/edwards25519 v1.2.0
	github.com/hdevalence/ed25519consensus v0.2.0
	github.com/lanecast/lanecast v0.0.0-00010101000000-000000000000
	github.com/oasisprotocol/curve25519-voi v0.0.0-20230904125328-1f23a7beb09a
)

require (
	github.com/bits-and-blooms/bitset v1.20.0 // indirect
	github.com/consensys/gnark-crypto v0.19.2 // indirect
	github.com/supranational/blst v0.3.17 // indirect
	github.com/valyala/bytebufferpool v1.0.0 // indirect
	golang.org/x/crypto v0.35.0 // indirect
	golang.org/x/sys v0.39.0 // indirect
)
