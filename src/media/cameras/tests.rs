//! One camera's connection over a socket pair, with a clock that the test sets.

use std::net::{Ipv4Addr, TcpListener};

use mio::{Poll, Token};

use super::*;
use crate::limits::PROFILE;
use crate::mem::arena::Arena;
use crate::rtsp::{CameraUrl, Dialog, DialogStep, Habits};

const S: u64 = 1_000_000;
const SDP: &str = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:1\r\n";

/// A session with a camera that behaves correctly.
fn session() -> rtsp::Session {
    let url = CameraUrl::parse("rtsp://127.0.0.1/s").expect("a url");
    let habits = Habits::default();
    let mut dialog = Dialog::new(url, Ipv4Addr::LOCALHOST.into(), None, &habits, true);
    let described = format!("RTSP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len());
    let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
    let set_up = format!("RTSP/1.0 200 OK\r\nSession: 1\r\n{transport}\r\n\r\n");
    for answer in ["RTSP/1.0 200 OK\r\n\r\n", &described, &set_up] {
        while !matches!(dialog.poll(), DialogStep::Read) {}
        dialog.receive(answer.as_bytes()).expect("a good answer");
    }
    match dialog.poll() {
        DialogStep::Ready(ready) => ready.session,
        step => panic!("{step:?}"),
    }
}

#[test]
fn a_camera_that_is_not_read_is_not_silent() {
    static CHUNKS: Arena<Chunks> = Arena::new(Chunks::new());
    static CARRY: Arena<CarryPool> = Arena::new(CarryPool::new());
    static CARD: CameraStats = CameraStats::new();
    let (chunks, carry) = (CHUNKS.take().expect("once"), CARRY.take().expect("once"));
    let mut reorder = ReorderPool::new();
    let (mut stream, mut scratch) = (Stream::new(), vec![0; PROFILE.read_scratch_bytes]);
    let mut sound = Sound::new();
    let mut read = |cameras: &mut Cameras, now_us| {
        let (stream, sound, chunks) = (&mut stream, &mut sound, &mut *chunks);
        let mut sink = RingSink { stream, sound, chunks, stats: &CARD, has_sound: true, now_us };
        cameras.read(0, &mut scratch, (carry, &mut reorder), &mut sink)
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let socket = std::net::TcpStream::connect(listener.local_addr().expect("bound"));
    let socket = socket.expect("it listens");
    socket.set_nonblocking(true).expect("ours");
    let (mut camera, _) = listener.accept().expect("a connection");
    let poll = Poll::new().expect("an epoll descriptor");
    let mut cameras = Cameras::new();
    cameras.prepare();
    let tokens =
        Tokens { connection: Token(0), picture: [Token(1), Token(2)], sound: [Token(3), Token(4)] };
    let played = cameras.play(0, (socket.into(), None), session(), poll.registry(), tokens, S);
    played.expect("it is asked to play");
    camera.write_all(b"RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n").expect("it is open");
    while read(&mut cameras, S) == Ok(false) {}
    for now_us in (2 * S..40 * S).step_by(100_000) {
        cameras.put_off(0, now_us);
        assert_eq!(cameras.timeout(0, &CARD, now_us + 50_000), Ok(()), "{now_us} us");
    }
    // It is read again and has sent nothing: the silence counts from here, with the second before.
    assert_eq!(read(&mut cameras, 40 * S), Ok(false));
    assert_eq!(cameras.timeout(0, &CARD, 48 * S), Ok(()));
    assert_eq!(cameras.timeout(0, &CARD, 49 * S), Err(Lost::Silent));
}
