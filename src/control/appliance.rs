//! weir on a box of its own image: what it asks of weir-init, which is root and changes what weir,
//! a user without rights, cannot: slots, the network, the box's name, and whether it runs.
//!
//! weir-init names its socket in `$WEIR_INIT_SOCKET`; without that weir is no box, and every
//! request is refused in a sentence. One connection a request, bounded in bytes and silence by
//! [`crate::appliance::request`].

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Control;
use crate::appliance::answers::AnswerLines;
use crate::appliance::preset::PRESET_ERRORS;
use crate::appliance::request::{
    BOX_SOCKET_VARIABLE, BoxAnswer, BoxRequest, RequestError, SlotsReport, request_line,
};
use crate::limits::{BOX_METRICS_WAIT_MS, BOX_SILENCE_S_MAX, INIT_FILE_BYTES_MAX};
use crate::storage::StateFolder;

/// Bytes of an answer that are read at once: a progress line has 60.
const READ_BYTES: usize = 512;

fn socket() -> Option<OsString> {
    env::var_os(BOX_SOCKET_VARIABLE)
}

impl Control {
    /// Whether weir-init runs this weir, so that the box can be asked to change.
    pub fn is_box(&self) -> bool {
        socket().is_some()
    }

    /// Asks weir-init for something that has no bytes behind it; what it says at the end.
    ///
    /// # Errors
    /// This is no box, the connection failed, or weir-init refused.
    pub async fn ask_box(&self, request: &BoxRequest) -> Result<Value, RequestError> {
        BoxConversation::open(request).await?.end().await
    }

    /// The slots of the box and its state.
    ///
    /// # Errors
    /// As of [`Control::ask_box`].
    pub async fn slots(&self) -> Result<SlotsReport, RequestError> {
        let answer = self.ask_box(&BoxRequest::Slots).await?;
        serde_json::from_value(answer).map_err(|error| RequestError::Meaning(error.to_string()))
    }

    /// The slots of the box, if this is one and weir-init tells them within
    /// [`BOX_METRICS_WAIT_MS`].
    pub async fn slots_at_once(&self) -> Option<SlotsReport> {
        let slots = self.is_box().then(|| self.slots())?;
        timeout(Duration::from_millis(BOX_METRICS_WAIT_MS), slots).await.ok()?.ok()
    }
}

/// Writes to the log what was wrong with the presets of this box, which weir-init has left in the
/// state folder; without one nothing is there.
pub fn warn_of_presets(state: &StateFolder) {
    match state.read(PRESET_ERRORS, INIT_FILE_BYTES_MAX) {
        Ok(found) => {
            let text = found.unwrap_or_default();
            for line in String::from_utf8_lossy(&text).lines() {
                log::warn!("presets: {line}; nothing of the file is applied");
            }
        }
        Err(error) => log::warn!("{PRESET_ERRORS}: {error}"),
    }
}

/// A request to weir-init that is under way. An update is sent with it, piece by piece: weir keeps
/// none of it.
#[derive(Debug)]
pub struct BoxConversation {
    stream: UnixStream,
    lines: AnswerLines,
}

impl BoxConversation {
    /// Connects and asks.
    ///
    /// # Errors
    /// This is no box, or weir-init cannot be reached.
    pub async fn open(request: &BoxRequest) -> Result<Self, RequestError> {
        let path = socket().ok_or_else(|| RequestError::Connect(no_box()))?;
        Self::open_at(Path::new(&path), request).await
    }

    async fn open_at(path: &Path, request: &BoxRequest) -> Result<Self, RequestError> {
        let stream = UnixStream::connect(path).await.map_err(RequestError::Connect)?;
        let mut conversation = Self { stream, lines: AnswerLines::default() };
        conversation.send(&request_line(request)?).await?;
        Ok(conversation)
    }

    /// Sends a piece of an update.
    ///
    /// # Errors
    /// The connection failed or was silent; when weir-init has refused the update, its reason.
    pub async fn give(&mut self, piece: &[u8]) -> Result<(), RequestError> {
        let Err(error) = self.send(piece).await else { return Ok(()) };
        // What weir-init refuses it does not read: its reason is behind the failure.
        match self.last_answer().await {
            Err(RequestError::Refused(why)) => Err(RequestError::Refused(why)),
            _ => Err(error),
        }
    }

    /// Waits for the end; what weir-init says then.
    ///
    /// # Errors
    /// The connection failed or was silent, or weir-init refused.
    pub async fn end(mut self) -> Result<Value, RequestError> {
        self.last_answer().await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), RequestError> {
        let sent = timeout(SILENCE, self.stream.write_all(bytes)).await;
        sent.unwrap_or_else(|_| Err(silent())).map_err(RequestError::Connection)
    }

    async fn last_answer(&mut self) -> Result<Value, RequestError> {
        loop {
            match self.lines.next_answer()? {
                Some(BoxAnswer::Done(value)) => return Ok(value),
                Some(BoxAnswer::Refused(why)) => return Err(RequestError::Refused(why)),
                Some(BoxAnswer::Progress(_)) => {}
                None => {
                    let mut bytes = [0; READ_BYTES];
                    let read = timeout(SILENCE, self.stream.read(&mut bytes)).await;
                    let read = read.unwrap_or_else(|_| Err(silent()));
                    match read.map_err(RequestError::Connection)? {
                        0 => return Err(RequestError::Ended),
                        count => self.lines.give(&bytes[..count]),
                    }
                }
            }
        }
    }
}

const SILENCE: Duration = Duration::from_secs(BOX_SILENCE_S_MAX);

fn silent() -> std::io::Error {
    std::io::Error::other(format!("silent for {BOX_SILENCE_S_MAX} s"))
}

fn no_box() -> std::io::Error {
    std::io::Error::other(format!("${BOX_SOCKET_VARIABLE} is not set"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, BufReader, Read as _};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;
    use std::thread::{self, JoinHandle};

    use serde_json::json;

    use super::*;
    use crate::appliance::request::{ProgressSteps, UpdateProgress, read_request, write_answer};

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

        fn ask(&self, request: &BoxRequest) -> Result<Value, RequestError> {
            ask_at(&self.path, request)
        }

        /// Sends an update of so many bytes; how many were sent, and what became of it.
        fn update(&self, bytes: u64) -> (u64, Result<Value, RequestError>) {
            let piece = [7; 10_000];
            block_on(async {
                let request = BoxRequest::Update { bytes };
                let opened = BoxConversation::open_at(&self.path, &request).await;
                let mut conversation = opened.expect("it listens");
                let mut sent = 0;
                while sent < bytes {
                    if let Err(error) = conversation.give(&piece).await {
                        return (sent, Err(error));
                    }
                    sent += piece.len() as u64;
                }
                (sent, conversation.end().await)
            })
        }

        fn end(self) {
            self.thread.join().expect("it was asked what it expected");
            let _ = fs::remove_file(self.path);
        }
    }

    fn ask_at(path: &Path, request: &BoxRequest) -> Result<Value, RequestError> {
        block_on(async { BoxConversation::open_at(path, request).await?.end().await })
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(future)
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
        assert_eq!(init.ask(&BoxRequest::Reboot).expect("done"), json!({}));
        init.end();
    }

    #[test]
    fn a_refusal_is_an_error_with_its_text() {
        let init = Served::new("refused", |mut stream| {
            read_request(&mut stream).expect("good");
            answer(&mut stream, &BoxAnswer::Refused("slot B was given up".to_owned()));
        });
        let error = init.ask(&BoxRequest::Rollback).expect_err("refused");
        assert_eq!(error.to_string(), "slot B was given up");
        init.end();
    }

    #[test]
    fn an_update_is_sent_whole_while_its_progress_is_told() {
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
        let (sent, done) = init.update(BYTES);
        assert_eq!((sent, done.expect("done")), (BYTES, json!({"slot": "B"})));
        init.end();
    }

    #[test]
    fn an_update_that_is_refused_at_its_head_is_not_sent_to_its_end() {
        let init = Served::new("head", |mut stream| {
            read_request(&mut stream).expect("good");
            stream.read_exact(&mut [0; 1024]).expect("a client");
            answer(&mut stream, &BoxAnswer::Refused("the bundle is not signed".to_owned()));
        });
        let (sent, refused) = init.update(1 << 30);
        assert_eq!(refused.expect_err("refused").to_string(), "the bundle is not signed");
        assert!(sent < 1 << 29, "{sent} bytes sent");
        init.end();
    }

    #[test]
    fn a_connection_that_ends_early_and_one_that_never_was_are_told_apart() {
        let init = Served::new("gone", |mut stream| {
            read_request(&mut stream).expect("good");
        });
        let error = init.ask(&BoxRequest::Slots).expect_err("gone");
        assert!(matches!(error, RequestError::Ended), "{error}");
        init.end();
        let nowhere = ask_at(Path::new("/nonexistent/socket"), &BoxRequest::Slots);
        let nowhere = nowhere.expect_err("nothing");
        assert!(nowhere.to_string().starts_with("this is no box"), "{nowhere}");
    }

    #[test]
    fn an_update_that_is_given_up_ends_the_connection() {
        let init = Served::new("short", |mut stream| {
            read_request(&mut stream).expect("good");
            let came = io::copy(&mut stream, &mut io::sink()).expect("until the end");
            assert_eq!(came, 10_000);
        });
        block_on(async {
            let request = BoxRequest::Update { bytes: 10_001 };
            let opened = BoxConversation::open_at(&init.path, &request).await;
            opened.expect("it listens").give(&[7; 10_000]).await.expect("there is room");
        });
        init.end();
    }
}
