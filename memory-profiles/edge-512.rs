// As edge-256 for 512 cameras at 2 Mbit/s.
Profile {
    name: "edge-512",
    cameras: 512,
    sessions: 1024,
    subscriptions: 2048,
    ring_chunks: 2560, // 20 MiB
    carry_small: 512,
    commands: 5200,
    library_heap_bytes: 17 * MIB + 256 * KIB,
    diagnostics_connection_heap_bytes: 120 * KIB, // the names of all cameras
    shared_heap_bytes: 2560 * KIB,
    total_bytes: 60 * MIB,
    ..include!("edge-64.rs")
}
