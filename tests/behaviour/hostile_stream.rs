//! Cameras that play, and end or write as no camera should: what they can cost.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::common::ptrace::Stopped;
use crate::common::raw_camera::{RawCamera, RawStream};
use crate::common::server::{Server, Setup, wait_for};

const SECOND_US: u64 = 1_000_000;

/// Waits until something came from weir, and leaves it unread.
fn wait_for_answer(camera: &TcpStream) {
    let mut byte = [0];
    assert_eq!(camera.peek(&mut byte).expect("weir is there"), 1);
}

#[test]
fn what_a_broken_connection_sent_last_is_held_for_nobody() {
    let camera = RawCamera::open();
    let server = Server::start(&Setup::of([("gate".to_owned(), camera.url.clone())]));
    let mut connection = camera.playing();
    // It cannot be dialled again: what the next connection brings would hide what the last left.
    drop(camera);
    let asks = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
    connection.write_all(asks).expect("weir reads");
    wait_for_answer(&connection);
    let mut stream = RawStream::default();
    let mut burst = Vec::new();
    for frame in 0..40 {
        let slice = [&[if frame == 0 { 0x65 } else { 0x41 }, 0x88][..], &[7; 1000]].concat();
        stream.packet(&slice, true, &mut burst);
        stream.timestamp += 3600;
    }
    burst.extend_from_slice(asks);
    // All of it is read at once, and so is the reset of a connection closed with bytes unread: the
    // answer behind the read cannot be written.
    let stopped = Stopped::thread(server.pid(), "media");
    connection.write_all(&burst).expect("it fits the kernel's buffers");
    drop(connection);
    drop(stopped);
    let packets = || server.metric("weir_camera_packets_total");
    assert!(wait_for(SECOND_US, || packets() == Some(40.0)), "{:?}", packets());
    // What chunks are held for is counted once a second.
    thread::sleep(Duration::from_millis(1300));
    assert_eq!(server.metric("weir_ring_unserved_chunks"), Some(0.0));
}
