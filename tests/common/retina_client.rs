//! retina as a client of a camera: its own RTSP and its own depacketizer.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use retina::client::{Credentials, PlayOptions, Session, SessionOptions, SetupOptions};
use retina::codec::CodecItem;
use tokio::time::timeout;
use url::Url;

/// A picture's NAL units.
pub type Picture = Vec<Vec<u8>>;

/// The first `count` pictures of the camera at `url`, as retina gets them by TCP, or why it does
/// not.
pub fn pictures(url: &str, count: usize, patience: Duration) -> Result<Vec<Picture>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let playing = async { timeout(patience, play(url, count)).await };
    let played = runtime.expect("a runtime").block_on(playing);
    played.unwrap_or_else(|_| Err("no pictures in time".to_owned()))
}

async fn play(url: &str, count: usize) -> Result<Vec<Picture>, String> {
    let mut url = Url::parse(url).map_err(|error| error.to_string())?;
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let username = decoded(url.username());
    let password = decoded(url.password().unwrap_or_default());
    let credentials = (!username.is_empty()).then_some(Credentials { username, password });
    url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| "no host")?;
    let options = SessionOptions::default().creds(credentials);
    let said = |error: retina::Error| error.to_string();
    let mut session = Session::describe(url, options).await.map_err(said)?;
    let is_video = |stream: &retina::client::Stream| stream.media() == "video";
    let video = session.streams().iter().position(is_video).ok_or("no video")?;
    session.setup(video, SetupOptions::default()).await.map_err(said)?;
    let playing = session.play(PlayOptions::default()).await.map_err(said)?;
    let mut items = pin!(playing.demuxed().map_err(said)?);
    let mut pictures = Vec::new();
    while pictures.len() < count {
        match items.next().await {
            Some(Ok(CodecItem::VideoFrame(frame))) => pictures.push(nal_units(frame.data())),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err("the camera hangs up".to_owned()),
        }
    }
    Ok(pictures)
}

/// The NAL units of a frame, each of which has its length before it.
fn nal_units(mut frame: &[u8]) -> Picture {
    let mut units = Vec::new();
    while let Some((length, rest)) = frame.split_first_chunk() {
        let (unit, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        units.push(unit.to_vec());
        frame = rest;
    }
    units
}
