// As edge-64 for a box with 160 MiB to spare: whole groups of 64 cameras at 4 Mbit/s with a key
// frame every 2 s.
Profile {
    name: "full-64",
    ring_chunks: 10240, // 80 MiB
    total_bytes: 104 * MIB,
    ..include!("edge-64.rs")
}
