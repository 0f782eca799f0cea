"""For engineers, never shipped: namespaces, the QEMU guest, traffic sources, the demo and the measuring commands."""
