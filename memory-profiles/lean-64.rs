// As edge-64 for a box with 32 MiB to spare: what viewers have yet to get and 0.2 s of 2 Mbit/s.
// Who joins mostly waits for a key frame.
Profile {
    name: "lean-64",
    ring_chunks: 512, // 4 MiB
    total_bytes: 22 * MIB,
    ..include!("edge-64.rs")
}
