//! Figures of the process as a whole.

use std::sync::atomic::AtomicU64;

use super::figures::figures;

figures! {
    /// Figures of the process as a whole. Each has one writer.
    Gauges:
    library_heap_used_bytes: AtomicU64, keep, "Library heap in use."
        => "weir_library_heap_used_bytes", "gauge";
    library_heap_high_water_bytes: AtomicU64, keep,
        "The most of the library heap in use since the start."
        => "weir_library_heap_high_water_bytes", "gauge";
    media_allocations: AtomicU64, keep, "Heap allocations of the media thread."
        => "weir_media_thread_allocations_total", "counter";
    gso: AtomicU64, keep, "1 while media leaves by UDP GSO."
        => "weir_udp_gso", "gauge";
    udp_calls: AtomicU64, keep, "Calls of sendmmsg."
        => "weir_udp_calls_total", "counter";
    udp_messages: AtomicU64, keep, "Messages that left, each a run of packets."
        => "weir_udp_messages_total", "counter";
    udp_packets: AtomicU64, keep, "Packets that left."
        => "weir_udp_packets_total", "counter";
    udp_refused: AtomicU64, keep, "Messages the kernel refused for good."
        => "weir_udp_refused_total", "counter";
    udp_blocked: AtomicU64, keep, "Times the socket was full."
        => "weir_udp_blocked_total", "counter";
    ring_unserved_chunks: AtomicU64, keep, "Ring chunks with what a viewer has yet to get."
        => "weir_ring_unserved_chunks", "gauge";
    ring_history_chunks: AtomicU64, keep, "Ring chunks with the history that resends are made of."
        => "weir_ring_history_chunks", "gauge";
    ring_key_frame_chunks: AtomicU64, keep, "Ring chunks with the newest key frames."
        => "weir_ring_key_frame_chunks", "gauge";
    ring_group_chunks: AtomicU64, keep, "Ring chunks with the groups since them."
        => "weir_ring_group_chunks", "gauge";
    ring_groups_given_up: AtomicU64, keep, "Groups given up for want of ring chunks."
        => "weir_ring_groups_given_up_total", "counter";
    ring_key_frames_given_up: AtomicU64, keep, "Key frames given up for want of ring chunks."
        => "weir_ring_key_frames_given_up_total", "counter";
    ring_history_given_up: AtomicU64, keep, "Chunks of history given up for want of ring chunks."
        => "weir_ring_history_given_up_total", "counter";
    tls_handshakes: AtomicU64, keep, "TLS handshakes under way."
        => "weir_tls_handshakes", "gauge";
    tls_large_records: AtomicU64, keep, "TLS connections in the middle of a large record."
        => "weir_tls_large_records", "gauge";
    tls_accepted: AtomicU64, keep, "TLS handshakes that ended well."
        => "weir_tls_accepted_total", "counter";
    tls_failed: AtomicU64, keep, "TLS handshakes that did not."
        => "weir_tls_failed_total", "counter";
    tls_files_refused: AtomicU64, keep, "1 while the configured certificate cannot be used."
        => "weir_tls_files_refused", "gauge";
    icmp_errors: AtomicU64, keep, "ICMP errors about what was sent, forged ones among them."
        => "weir_icmp_errors_total", "counter";
    media_reviews: AtomicU64, keep,
        "Reviews of the media thread, ten a second: while they go on, its event loop runs.";
    handshake_datagrams_refused: AtomicU64, keep,
        "Datagrams beyond the addresses or the rate of their handshake."
        => "weir_handshake_datagrams_refused_total", "counter";
    reports_refused: AtomicU64, keep,
        "Reports of viewers beyond their rate: signs of life and nothing more."
        => "weir_reports_refused_total", "counter";
    driver_rounds: AtomicU64, keep,
        "Rounds of the handshake driver, at least one a second: while they go on, it runs.";
    password_hashes: AtomicU64, keep, "Passwords hashed."
        => "weir_password_hashes_total", "counter";
    login_writes: AtomicU64, keep, "Times that the file of the logins was written."
        => "weir_login_writes_total", "counter";
    denials: AtomicU64, keep, "Requests without the credentials they need."
        => "weir_denials_total", "counter";
}
