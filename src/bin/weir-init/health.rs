//! Asks weir over loopback how it is: a thread that looks every other second for as long as the
//! slot is not known to be good, and single looks.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use weir::appliance::health::{WeirHealth, has_page, http_request};
use weir::config;
use weir::limits::{
    HEALTH_ANSWER_BYTES_MAX, HEALTH_ANSWER_MS_MAX, INIT_STACK_BYTES, TRIAL_LOOK_US,
};

use super::data::DataFolder;

/// Where weir is, if its configuration does not say.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8117);

/// What a look saw: weir's health, if it and the first page answered.
pub(crate) type Sight = Option<WeirHealth>;

/// Starts the looks. They end when the receiver is dropped.
pub(crate) fn looks() -> Receiver<Sight> {
    let (sender, receiver) = sync_channel(1);
    let thread = thread::Builder::new().name("health".to_owned()).stack_size(INIT_STACK_BYTES);
    if let Err(error) = thread.spawn(move || look_on(&sender)) {
        log::error!("weir's health is not looked at: {error}");
    }
    receiver
}

fn look_on(sender: &SyncSender<Sight>) {
    while sender.send(look()).is_ok() {
        thread::sleep(Duration::from_micros(TRIAL_LOOK_US));
    }
}

/// One look at weir.
pub(crate) fn look() -> Sight {
    let address = address();
    let health = WeirHealth::of_answer(&ask(address, "/healthz").ok()?)?;
    ask(address, "/").ok().filter(|answer| has_page(answer)).map(|_| health)
}

/// Where weir's pages are, seen from this box.
fn address() -> SocketAddr {
    let Ok(loaded) = config::load(&DataFolder::config_path()) else { return LISTEN_DEFAULT };
    // weir does not use such a file either.
    if loaded.is_fatal() {
        return LISTEN_DEFAULT;
    }
    let listen = loaded.config.http.listen;
    // `[::]` takes IPv4 too, and the box may have no IPv6.
    let ip = if listen.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { listen.ip() };
    SocketAddr::new(ip, listen.port())
}

/// A whole answer, as far as its bound.
fn ask(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let patience = Duration::from_millis(HEALTH_ANSWER_MS_MAX);
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(http_request(path).as_bytes())?;
    let mut answer = Vec::new();
    stream.take(HEALTH_ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}
