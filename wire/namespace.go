package wire

// AppendNamespace appends varint u32 len(namespace‖suffix) ‖ namespace ‖ suffix, with which
// everything begins that is signed or hashed for a namespace (docs/protocol.md 3). So no two
// namespaces, one the beginning of the other, can share signed bytes.
func AppendNamespace(dst, namespace []byte, suffix string) []byte {
	dst = AppendUvarint(dst, uint64(len(namespace)+len(suffix)))
	return append(append(dst, namespace...), suffix...)
}
