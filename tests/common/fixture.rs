//! One camera and a weir that serves it: what most tests of behaviour begin with.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;
use weir::clock;

use super::camera::picture::Picture;
use super::camera::{CameraFarm, Mount};
use super::server::{Server, Setup, wait_for};
use super::viewer::{Options, Viewer, wall};
use super::whep;

/// The camera's name.
pub const CAMERA: &str = "gate";
const READY_US: u64 = 5_000_000;
const MEDIA_US: u64 = 5_000_000;

/// A camera that plays, ready for viewers.
pub struct Fixture {
    /// weir; it ends first.
    pub server: Server,
    /// The camera.
    pub farm: CameraFarm,
}

impl Fixture {
    /// With the defaults.
    pub fn open() -> Self {
        Self::open_with(|_| {})
    }

    /// With a change to what weir is started with.
    pub fn open_with(change: impl FnOnce(&mut Setup)) -> Self {
        // An IDR every 0.4 s: nobody waits long for a picture.
        let picture = Picture { gop: 10, ..Picture::default() };
        Self::of(vec![Mount::new(CAMERA, picture)], change)
    }

    /// With other cameras.
    pub fn of(mounts: Vec<Mount>, change: impl FnOnce(&mut Setup)) -> Self {
        let names: Vec<String> = mounts.iter().map(|mount| mount.name.clone()).collect();
        let farm = CameraFarm::open(mounts);
        let urls = names.iter().map(|name| (name.clone(), farm.url(name)));
        let mut setup = Setup::of(urls);
        change(&mut setup);
        let server = Server::start(&setup);
        let ready = server.wait_until_ready(names.len(), READY_US);
        assert!(ready, "{}", server.get("/api/cameras").body);
        Self { server, farm }
    }

    /// A viewer that has media.
    pub fn viewer(&self) -> Viewer {
        self.viewer_with(&Options::default())
    }

    /// The same with options.
    pub fn viewer_with(&self, options: &Options) -> Viewer {
        let viewer = Viewer::connect_with(self.server.http, CAMERA, options);
        let mut viewer = viewer.unwrap_or_else(|error| panic!("{error}"));
        let has_media = |viewer: &Viewer| viewer.reception.counts.packets > 0;
        assert!(wall::run_one(&mut viewer, MEDIA_US, has_media), "no media");
        viewer
    }

    /// Connects from an address of this machine, has media and leaves; how long it took from the
    /// offer to the keys.
    pub fn visit(&self, local: IpAddr) -> u64 {
        let options = Options { local, ..Options::default() };
        let began_us = clock::now_us();
        let viewer = Viewer::connect_with(self.server.http, CAMERA, &options);
        let mut viewer = viewer.unwrap_or_else(|refused| panic!("{refused}"));
        let connects = wall::run_one(&mut viewer, MEDIA_US, Viewer::is_connected);
        assert!(connects, "{:?}", viewer.ended);
        let took_us = clock::now_us() - began_us;
        let has_media = |viewer: &Viewer| viewer.reception.counts.packets > 0;
        assert!(wall::run_one(&mut viewer, MEDIA_US, has_media), "no media");
        assert!(viewer.delete().is_ok_and(|status| status == 200));
        took_us
    }

    /// What `/api/sessions` says, the ended ones last.
    pub fn sessions(&self) -> Vec<Value> {
        let listed = self.server.tell("sessions");
        listed["sessions"].as_array().expect("a list of sessions").clone()
    }

    /// The session of a viewer at `address`.
    pub fn session(&self, address: SocketAddr) -> Value {
        let address = address.to_string();
        let found = self.sessions().into_iter().find(|session| session["address"] == address);
        found.unwrap_or_else(|| panic!("no session at {address}"))
    }

    /// Waits until no session is left that has not ended.
    pub fn wait_until_empty(&self, timeout_us: u64) -> bool {
        wait_for(timeout_us, || self.sessions().iter().all(|session| session["state"] == "ended"))
    }

    /// DELETE; the answer's status.
    pub fn delete(&self, location: &str) -> u16 {
        let answer = whep::request(self.server.http, "DELETE", location, &[], "");
        answer.unwrap_or_else(|error| panic!("{error}")).status
    }
}
