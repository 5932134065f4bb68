// 512 cameras at 0.5 Mbit/s to as many viewers: what they have yet to get, and little more. Who
// joins mostly waits for a key frame.
Profile {
    name: "lean-512",
    cameras: 512,
    bridged_cameras: 8,
    sessions: 640,
    subscriptions: 1152,
    ring_chunks: 1048, // 8.2 MiB, of which each camera has a chunk or two
    carry_small: 512,
    commands: 3648,
    library_heap_bytes: 17 * MIB + 256 * KIB,
    diagnostics_connection_heap_bytes: 120 * KIB, // the names of all cameras
    shared_heap_bytes: 2560 * KIB,
    total_bytes: 45 * MIB,
    ..include!("edge-64.rs")
}
