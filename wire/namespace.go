package wire

// AppendNamespace appends varint u32 len(namespace‖suffix) ‖ namespace ‖ suffix. All bytes that are
// signed or hashed for a namespace begin with it (docs/protocol.md 3). So two namespaces cannot
// share signed bytes, even if one is a prefix of the other.
func AppendNamespace(dst, namespace []byte, suffix string) []byte {
	dst = AppendUvarint(dst, uint64(len(namespace)+len(suffix)))
	return append(append(dst, namespace...), suffix...)
}
