// As edge-64 for a box with 32 MiB to spare: what viewers have yet to get and 0.1 s of 2 Mbit/s.
// Who joins mostly waits for a key frame.
Profile {
    name: "lean-64",
    bridged_cameras: 8,
    ring_chunks: 360, // 2.8 MiB
    library_heap_bytes: (9568 + 9 * 88) * KIB,
    total_bytes: 24 * MIB,
    ..include!("edge-64.rs")
}
