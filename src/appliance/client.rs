//! Asking weir-init: a client whose calls block, and the piece that one in an event loop needs.
//!
//! Both hold one line of an answer at most, and of an update one piece of
//! [`UPDATE_PIECE_BYTES`]. While an update is sent, answers are read that have come already, so
//! that neither side waits for the other with a full socket. Nothing is asked a second time.

use std::io::{self, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::limits::{BOX_REQUEST_BYTES_MAX, BOX_SILENCE_S_MAX, UPDATE_PIECE_BYTES};

use super::request::{
    BoxAnswer, BoxRequest, RequestError, SlotsReport, UpdateProgress, meaning, request_line,
};

/// Answers of weir-init out of pieces of any length; holds one line at most.
#[derive(Debug, Default)]
pub struct AnswerLines {
    unread: Vec<u8>,
}

impl AnswerLines {
    /// Takes bytes of the connection. Each answer is to be taken out before more are given.
    pub fn give(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// Takes the next answer; `None` until its line is whole.
    ///
    /// # Errors
    /// The line is too long or no answer.
    pub fn next_answer(&mut self) -> Result<Option<BoxAnswer>, RequestError> {
        let line = self.unread.iter().take(BOX_REQUEST_BYTES_MAX).position(|byte| *byte == b'\n');
        match line {
            Some(end) => {
                let answer = meaning(&self.unread[..end]);
                self.unread.drain(..=end);
                answer.map(Some)
            }
            None if self.unread.len() >= BOX_REQUEST_BYTES_MAX => Err(RequestError::TooLong),
            None => Ok(None),
        }
    }
}

/// A connection to weir-init whose calls block, for at most [`BOX_SILENCE_S_MAX`] without a byte.
#[derive(Debug)]
pub struct BoxClient {
    stream: UnixStream,
    lines: AnswerLines,
    /// The last line, once it has come.
    end: Option<Result<Value, String>>,
}

impl BoxClient {
    /// Connects to the socket at `path`, on a box [`super::request::BOX_SOCKET`].
    ///
    /// # Errors
    /// There is none, or weir may not connect.
    pub fn connect(path: &Path) -> Result<Self, RequestError> {
        let stream = UnixStream::connect(path).map_err(RequestError::Connect)?;
        let silence = Some(Duration::from_secs(BOX_SILENCE_S_MAX));
        let limits = [stream.set_read_timeout(silence), stream.set_write_timeout(silence)];
        limits.into_iter().collect::<io::Result<()>>().map_err(RequestError::Connect)?;
        Ok(Self { stream, lines: AnswerLines::default(), end: None })
    }

    /// Asks what has no bytes behind it, and returns what was said at the end.
    ///
    /// # Errors
    /// The connection failed, or weir-init refused.
    pub fn ask(mut self, request: &BoxRequest) -> Result<Value, RequestError> {
        let line = request_line(request)?;
        self.stream.write_all(&line).map_err(RequestError::Connection)?;
        self.last_line(&mut |_| ())
    }

    /// Asks for the slots and the state of the box.
    ///
    /// # Errors
    /// The connection failed, weir-init refused, or it answered something else.
    pub fn slots(self) -> Result<SlotsReport, RequestError> {
        let value = self.ask(&BoxRequest::Slots)?;
        serde_json::from_value(value).map_err(|error| RequestError::Meaning(error.to_string()))
    }

    /// Sends a bundle of `bytes` bytes, and returns what was said at the end.
    ///
    /// # Errors
    /// The bundle cannot be read or ends early, the connection failed, or weir-init refused.
    pub fn update(
        mut self,
        bundle: &mut impl Read,
        bytes: u64,
        progress: &mut impl FnMut(UpdateProgress),
    ) -> Result<Value, RequestError> {
        let line = request_line(&BoxRequest::Update { bytes })?;
        self.stream.write_all(&line).map_err(RequestError::Connection)?;
        let mut piece = vec![0; UPDATE_PIECE_BYTES];
        let mut left = bytes;
        while left > 0 && self.end.is_none() {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            let count = match bundle.read(&mut piece[..most]) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other,
            };
            let count = count.map_err(RequestError::Source)?;
            // What weir-init refuses it does not read: then the reason is behind the failure.
            if let Err(error) = self.stream.write_all(&piece[..count]) {
                return self.last_line(progress).map_err(|end| match end {
                    RequestError::Refused(why) => RequestError::Refused(why),
                    _ => RequestError::Connection(error),
                });
            }
            left -= count as u64;
            self.read_what_is_there(progress)?;
        }
        self.last_line(progress)
    }

    /// Reads answers that have come already, and waits for none.
    fn read_what_is_there(
        &mut self,
        progress: &mut impl FnMut(UpdateProgress),
    ) -> Result<(), RequestError> {
        self.stream.set_nonblocking(true).map_err(RequestError::Connection)?;
        let read = self.read_lines(progress);
        self.stream.set_nonblocking(false).map_err(RequestError::Connection)?;
        match read {
            Err(RequestError::Connection(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                Ok(())
            }
            other => other,
        }
    }

    fn last_line(
        mut self,
        progress: &mut impl FnMut(UpdateProgress),
    ) -> Result<Value, RequestError> {
        loop {
            match self.end.take() {
                Some(end) => return end.map_err(RequestError::Refused),
                None => self.read_lines(progress)?,
            }
        }
    }

    /// Reads once, and takes the answers that are whole then.
    fn read_lines(
        &mut self,
        progress: &mut impl FnMut(UpdateProgress),
    ) -> Result<(), RequestError> {
        let mut bytes = [0; 1024];
        let count = match self.stream.read(&mut bytes) {
            Ok(0) => return Err(RequestError::Ended),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(RequestError::Connection(error)),
        };
        self.lines.give(&bytes[..count]);
        while self.end.is_none()
            && let Some(answer) = self.lines.next_answer()?
        {
            match answer {
                BoxAnswer::Progress(made) => progress(made),
                BoxAnswer::Done(value) => self.end = Some(Ok(value)),
                BoxAnswer::Refused(why) => self.end = Some(Err(why)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::BufReader;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::thread::{self, JoinHandle};

    use serde_json::json;

    use super::super::request::{ProgressSteps, read_request, write_answer};
    use super::*;

    /// A weir-init that serves one connection by `serve`.
    struct Served {
        path: PathBuf,
        thread: JoinHandle<()>,
    }

    impl Served {
        fn new(name: &str, serve: fn(BufReader<UnixStream>)) -> Self {
            let name = format!("weir-init-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_file(&path);
            let listener = UnixListener::bind(&path).expect("a socket");
            let thread = thread::spawn(move || {
                let (stream, _) = listener.accept().expect("a client");
                serve(BufReader::new(stream));
            });
            Self { path, thread }
        }

        fn client(&self) -> BoxClient {
            BoxClient::connect(&self.path).expect("it listens")
        }

        fn end(self) {
            self.thread.join().expect("it was asked what it expected");
            let _ = fs::remove_file(self.path);
        }
    }

    fn answer(stream: &mut BufReader<UnixStream>, answer: &BoxAnswer) {
        write_answer(stream.get_mut(), answer).expect("a client");
    }

    #[test]
    fn a_request_is_answered() {
        let init = Served::new("asked", |mut stream| {
            assert_eq!(read_request(&mut stream).expect("good"), BoxRequest::Reboot);
            answer(&mut stream, &BoxAnswer::Done(json!({})));
        });
        assert_eq!(init.client().ask(&BoxRequest::Reboot).expect("done"), json!({}));
        init.end();
    }

    #[test]
    fn a_refusal_is_an_error_with_its_text() {
        let init = Served::new("refused", |mut stream| {
            read_request(&mut stream).expect("good");
            answer(&mut stream, &BoxAnswer::Refused("slot B was given up".to_owned()));
        });
        let error = init.client().ask(&BoxRequest::Rollback).expect_err("refused");
        assert_eq!(error.to_string(), "slot B was given up");
        init.end();
    }

    #[test]
    fn an_update_is_sent_whole_and_its_progress_is_told() {
        const BYTES: u64 = 3_000_000;
        let init = Served::new("update", |mut stream| {
            let BoxRequest::Update { bytes } = read_request(&mut stream).expect("good") else {
                panic!("another request");
            };
            let mut steps = ProgressSteps::default();
            let mut piece = [0; 4096];
            let mut got = 0;
            while got < bytes {
                let count = stream.read(&mut piece).expect("a client");
                assert!(count > 0 && piece[..count].iter().all(|byte| *byte == 7));
                got += count as u64;
                let made = UpdateProgress { bytes: got, of: bytes };
                if steps.is_due(made) {
                    answer(&mut stream, &BoxAnswer::Progress(made));
                }
            }
            answer(&mut stream, &BoxAnswer::Done(json!({"slot": "B"})));
        });
        let mut told = Vec::new();
        let mut bundle = io::repeat(7).take(BYTES);
        let done = init.client().update(&mut bundle, BYTES, &mut |made| told.push(made.bytes));
        assert_eq!(done.expect("done"), json!({"slot": "B"}));
        assert!(told.is_sorted() && told.last() == Some(&BYTES), "{told:?}");
        init.end();
    }

    #[test]
    fn an_update_that_is_refused_at_its_head_is_not_sent_to_its_end() {
        let init = Served::new("head", |mut stream| {
            read_request(&mut stream).expect("good");
            stream.read_exact(&mut [0; 1024]).expect("a client");
            answer(&mut stream, &BoxAnswer::Refused("the bundle is not signed".to_owned()));
        });
        let mut bundle = io::repeat(7).take(1 << 30);
        let error = init.client().update(&mut bundle, 1 << 30, &mut |_| ()).expect_err("refused");
        assert_eq!(error.to_string(), "the bundle is not signed");
        assert!(bundle.limit() > 1 << 29, "{} bytes left", bundle.limit());
        init.end();
    }

    #[test]
    fn a_bundle_that_ends_early_and_a_connection_that_does_are_told_apart() {
        let init = Served::new("short", |mut stream| {
            read_request(&mut stream).expect("good");
            io::copy(&mut stream, &mut io::sink()).expect("until the end");
        });
        let mut bundle = io::repeat(7).take(10);
        let error = init.client().update(&mut bundle, 11, &mut |_| ()).expect_err("too short");
        assert!(matches!(error, RequestError::Source(_)), "{error}");
        init.end();
        let init = Served::new("gone", |mut stream| {
            read_request(&mut stream).expect("good");
        });
        let error = init.client().ask(&BoxRequest::Slots).expect_err("gone");
        assert!(matches!(error, RequestError::Ended), "{error}");
        init.end();
        let nowhere = BoxClient::connect(Path::new("/nonexistent/socket")).expect_err("nothing");
        assert!(nowhere.to_string().starts_with("this is no box"), "{nowhere}");
    }

    #[test]
    fn answers_are_taken_out_of_pieces_of_any_length() {
        let text = b"{\"progress\":{\"bytes\":1,\"of\":2}}\n{\"done\":{}}\n";
        let answers =
            [BoxAnswer::Progress(UpdateProgress { bytes: 1, of: 2 }), BoxAnswer::Done(json!({}))];
        for length in 1..=text.len() {
            let mut lines = AnswerLines::default();
            let mut taken = Vec::new();
            for piece in text.chunks(length) {
                lines.give(piece);
                while let Some(answer) = lines.next_answer().expect("good") {
                    taken.push(answer);
                }
            }
            assert_eq!(taken, answers, "{length}");
        }
    }

    #[test]
    fn an_answer_without_an_end_is_held_to_its_bound() {
        let mut lines = AnswerLines::default();
        lines.give(&[b' '; BOX_REQUEST_BYTES_MAX - 1]);
        assert_eq!(lines.next_answer().expect("it may end yet"), None);
        lines.give(b" ");
        assert!(matches!(lines.next_answer(), Err(RequestError::TooLong)));
    }
}
