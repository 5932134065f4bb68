//! Target for bytes on a connection to the web's port.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Tape;
use crate::web::fuzzing::connection;

/// As many bytes as hyper buffers, so that what is sent in pieces is also read in pieces.
const PIPE_BYTES: usize = 8 * 1024;
/// A connection ends by itself after its client has sent everything; this bound is for a stalled
/// machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// An HTTP connection that receives the tape in pieces and then its end: it is closed, and its
/// first answer, if any, has a head of well-formed lines.
pub fn http_connection(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let answers = tokio::task::LocalSet::new().block_on(&runtime, async {
        let (client, server) = tokio::io::duplex(PIPE_BYTES);
        let (mut reader, mut writer) = tokio::io::split(client);
        let send = async move {
            let mut tape = Tape::new(data);
            let piece = 1 + usize::from(tape.byte());
            while !tape.is_over() {
                if writer.write_all(tape.bytes(piece)).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            // Fails on a connection that is closed already, which needs no end.
            let _ = writer.shutdown().await;
        };
        let receive = async move {
            let mut answers = Vec::new();
            let _ = reader.read_to_end(&mut answers).await;
            answers
        };
        let all = async { tokio::join!(connection(server), send, receive).2 };
        tokio::time::timeout(PATIENCE, all).await.expect("the connection ends with its client")
    });
    check(&answers);
}

fn check(answers: &[u8]) {
    if answers.is_empty() {
        return;
    }
    let end = answers.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let head = std::str::from_utf8(&answers[..end]).expect("a head is text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = status.and_then(|line| line.get(2..5)).and_then(|code| code.parse::<u16>().ok());
    assert!(status.is_some_and(|status| (100..600).contains(&status)), "{head}");
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header");
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()), "{line:?}");
        assert!(!value.contains(char::is_control), "{line:?}");
    }
}
