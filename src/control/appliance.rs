//! weir on a box of its own image: what it asks of weir-init, which is root and changes what weir,
//! a user without rights, cannot: slots, the network, the box's name, and whether it runs.
//!
//! weir-init names its socket in `$WEIR_INIT_SOCKET`; without that weir is no box, and every
//! request is refused in a sentence. One connection a request, bounded in bytes and silence by
//! [`crate::appliance::request`].

use std::env;
use std::ffi::OsString;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Control;
use crate::appliance::client::AnswerLines;
use crate::appliance::request::{BoxAnswer, BoxRequest, RequestError, SlotsReport, request_line};
use crate::limits::BOX_SILENCE_S_MAX;

/// Where weir-init says that its socket is.
const SOCKET_VARIABLE: &str = "WEIR_INIT_SOCKET";
/// Bytes of an answer that are read at once: a progress line has 60.
const READ_BYTES: usize = 512;

fn socket() -> Option<OsString> {
    env::var_os(SOCKET_VARIABLE)
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
    std::io::Error::other(format!("${SOCKET_VARIABLE} is not set"))
}
