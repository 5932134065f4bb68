//! The demo camera: an RTSP server on loopback that plays a small H.264 clip in a loop.
//!
//! It replaces a real camera in `weir demo` and in tests, so it speaks the real protocol: RTP over
//! the RTSP connection, a clock per viewer, and timestamps that continue where the clip begins
//! again. Bounded by [`DEMO_CONNECTIONS_MAX`]; a further connection is closed at once. No UDP, no
//! sound, no login. `scripts/make-clip` makes the clip.
//!
//! `weir selftest` has many of them, of a higher bit rate ([`DemoStream::filled`]), whose pictures
//! are known again at a viewer ([`SentPictures`]).

mod clip;
mod connection;
mod packetizer;
mod requests;
mod sent;
mod stream;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use log::debug;
use tokio::net::TcpListener;

use crate::limits::DEMO_CONNECTIONS_MAX;
#[cfg(any(test, fuzzing))]
pub(crate) use requests::fuzz;
pub use sent::SentPictures;
pub use stream::DemoStream;

/// 10 s of 1280x720 at [`FRAMES_PER_S`], Constrained Baseline, an IDR every 2 s; Annex B.
pub static CLIP: &[u8] = include_bytes!("clip.h264");
/// Frame rate of [`CLIP`], in frames per second.
pub const FRAMES_PER_S: u32 = 25;

/// Binds a loopback socket for [`serve`], on a port that the kernel chooses.
///
/// # Errors
/// The kernel refused the socket.
pub async fn bind() -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
}

/// Serves `stream` to every client, without end. Runs on a [`tokio::task::LocalSet`].
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, stream: DemoStream) -> io::Result<()> {
    let open = Rc::new(());
    loop {
        let (socket, peer) = listener.accept().await?;
        if Rc::strong_count(&open) > DEMO_CONNECTIONS_MAX {
            debug!("demo camera: connections full, max {DEMO_CONNECTIONS_MAX}");
            continue;
        }
        let (stream, held) = (stream.clone(), Rc::clone(&open));
        tokio::task::spawn_local(async move {
            if let Err(error) = connection::serve(socket, &stream).await {
                debug!("demo camera, {peer}: {error}");
            }
            drop(held);
        });
    }
}

#[cfg(test)]
mod tests;
