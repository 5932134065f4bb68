//! The cameras of the load.

use std::io;
use std::rc::Rc;

use tokio::task::JoinSet;

use crate::demo::{self, DemoStream, SentPictures};
use crate::limits::SELFTEST_BITS_PER_S;

/// Demo cameras, each on a port of its own; closed when dropped.
pub(super) struct LoadCameras {
    /// Their ports on loopback.
    pub(super) ports: Vec<u16>,
    /// What each of them sends, and when.
    pub(super) sent: Vec<Rc<SentPictures>>,
    _running: JoinSet<io::Result<()>>,
}

impl LoadCameras {
    /// Opens so many. Needs a `LocalSet` around it.
    ///
    /// # Errors
    /// No port is to be had.
    pub(super) async fn open(count: usize) -> io::Result<Self> {
        let stream = DemoStream::filled(SELFTEST_BITS_PER_S);
        let (mut ports, mut all, mut running) = (Vec::new(), Vec::new(), JoinSet::new());
        for number in 0..count {
            let listener = demo::bind().await?;
            let sent = Rc::new(SentPictures::new(stream.pictures()));
            ports.push(listener.local_addr()?.port());
            running.spawn_local(demo::serve(
                listener,
                stream.of_camera(number, count, Rc::clone(&sent)),
            ));
            all.push(sent);
        }
        Ok(Self { ports, sent: all, _running: running })
    }
}
