// 64 cameras at 2 Mbit/s to 64 viewers and more, on a box with 64 MiB to spare.
Profile {
    name: "edge-64",
    cameras: 64,
    sessions: 256,
    subscriptions: 512,
    addresses_per_session: 4,
    handshakes: 8,
    offers_waiting: 256,
    ring_chunk_bytes: 16 * KIB,
    ring_floor_chunks: 3, // 0.2 s at 2 Mbit/s
    ring_shared_chunks: 64,
    carry_small: 64,
    carry_medium: 16,
    carry_large: 8,
    read_scratch_bytes: 128 * KIB,
    batch_bytes: 128 * KIB,
    batch_messages: 32,
    udp_receive_datagrams: 16,
    handshake_datagrams: 64,
    commands: 1024,
    http_connections: 64,
    http_connections_per_address: 32,
    http_bodies: 8,
    // In KiB, as tests/worst_case.rs holds it: 310 with every camera and session; 8 handshakes of
    // 130, all records held; 64 connections of 35, their answers unread: 3590, and a quarter more.
    library_heap_bytes: 4544 * KIB,
    threads: 2,
    stack_bytes: 256 * KIB,
    program_bytes: 5 * MIB,
    udp_socket_buffer_bytes: 2 * MIB,
    total_bytes: 16 * MIB,
}
