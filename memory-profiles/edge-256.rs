// 256 cameras at 2 Mbit/s to as many viewers and more, in the store of 64: what viewers have yet
// to get, and key frames as they fit.
Profile {
    name: "edge-256",
    cameras: 256,
    ring_chunks: 1200, // 9.3 MiB
    sessions: 512,
    subscriptions: 1024,
    carry_small: 256,
    commands: 2640,
    library_heap_bytes: (11456 + 17 * 88) * KIB,
    diagnostics_connection_heap_bytes: 80 * KIB, // the names of all cameras
    shared_heap_bytes: 1472 * KIB,
    total_bytes: 36 * MIB,
    ..include!("edge-64.rs")
}
