//! What happens each minute beside the sessions: cameras that restart, change their codec, stall
//! and fall silent; a camera that a reload takes away and another brings back; another certificate; a
//! login a second. Each incident has a viewer that came before it, and each ends as it began.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use weir::clock;
use weir::codec::Codec;
use weir::limits::RTSP_SILENCE_US_MAX;

use crate::common::annexb;
use crate::common::camera::picture::Picture;
use crate::common::camera::{Behaviour, CameraFarm, Mount, Show};
use crate::common::ffmpeg::hevc_clip;
use crate::common::server::{Server, Setup, wait_for};
use crate::common::tls::{fingerprint, fingerprint_of, make_certificate};
use crate::common::viewer::{Options, Viewer, wall};
use crate::common::whep;

/// What players are let in by.
pub(crate) const TOKEN: &str = "a-token-for-the-soak";
/// How many cameras of the house these take.
pub(crate) const CAMERAS: u32 = 3;
const RESTLESS: &str = "restless";
const STALLING: &str = "stalling";
/// The camera that reloads take away and bring back.
const GUEST: &str = "guest";
const PASSWORD: &str = "correct+horse";
/// Of `correct horse`, by Python's hashlib.
const HASH: &str =
    "pbkdf2-sha256$600000$MDEyMzQ1Njc4OWFiY2RlZg$kYKAg/dg7WC7VQ4k8+iaopu8snxCGdA0xMTwPC5tudk";
const PATIENCE_US: u64 = 30_000_000;
const STALL_US: u64 = 2_000_000;
const OFF: Duration = Duration::from_millis(100);
/// How long a login is from the next.
const LOGIN: Duration = Duration::from_secs(1);
/// The parameter sets come in band alone.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n\
                   m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=control:trackID=0\r\n";

/// What came about so far.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) restarts: u64,
    pub(crate) codec_changes: u64,
    /// Of a camera: writes nothing for 2 s, is silent until it is dialled again, hangs up.
    pub(crate) stalls: u64,
    pub(crate) reloads: u64,
    pub(crate) certificates: u64,
    pub(crate) logins: u64,
}

/// The cameras and files that it is about.
pub(crate) struct Incidents {
    /// Of one camera; `None` while that is off.
    restless: Option<CameraFarm>,
    restless_at: SocketAddr,
    steady: CameraFarm,
    clip: Arc<Vec<Vec<Vec<u8>>>>,
    folder: PathBuf,
    setup: Setup,
    pub(crate) tally: Tally,
}

impl Incidents {
    /// Adds its cameras, users and certificate to what is to be started.
    pub(crate) fn begin(mut setup: Setup) -> Self {
        let folder = std::env::temp_dir().join(format!("weir-soak-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a writable temporary directory");
        let restless = CameraFarm::open(vec![h264(RESTLESS)]);
        let steady = CameraFarm::open(vec![h264(STALLING), h264(GUEST)]);
        let urls = [(RESTLESS, &restless), (STALLING, &steady), (GUEST, &steady)];
        let urls = urls.map(|(name, farm)| (name.to_owned(), farm.url(name)));
        setup.cameras.extend(Setup::of(urls).cameras);
        let hash = weir::access::TokenHash::of(TOKEN);
        setup.accounts = format!(
            "[[user]]\nname = \"anna\"\nrole = \"viewer\"\npassword = \"{HASH}\"\n\
             [[token]]\nname = \"soak\"\nrole = \"viewer\"\nhash = \"{hash}\"\n"
        );
        let [certificate, key] = ["c.pem", "k.pem"].map(|name| folder.join(name));
        make_certificate("ec", &certificate, &key);
        setup.https = format!("tls = \"files\"\ncertificate = {certificate:?}\nkey = {key:?}");
        let encoded = hevc_clip("320x240", 25, "bframes=0:keyint=20:min-keyint=20:scenecut=0");
        Self {
            restless_at: restless.address(),
            restless: Some(restless),
            steady,
            clip: Arc::new(annexb::access_units(Codec::H265, &encoded)),
            folder,
            setup,
            tally: Tally::default(),
        }
    }

    /// What weir is to be started with.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// A minute's incidents. An error says which did not end as it should.
    pub(crate) fn minute(&mut self, server: &Server, web: SocketAddr) -> Result<(), String> {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let logins = scope.spawn(|| log_in_until(web, &is_over));
            let ended = self.cameras(server, web).and_then(|()| self.certificate(server));
            is_over.store(true, Relaxed);
            let logins = logins.join().expect("no panic");
            ended?;
            self.tally.logins += logins?;
            Ok(())
        })
    }

    fn cameras(&mut self, server: &Server, web: SocketAddr) -> Result<(), String> {
        for codec in [Codec::H264, Codec::H265, Codec::H264] {
            let is_another = codec_of(server, RESTLESS) != Some(name_of(codec));
            let mut viewer = watch(web, RESTLESS)?;
            self.restart(codec);
            if is_another {
                let is_over = |viewer: &Viewer| viewer.ended.is_some();
                if !wall::run_one(&mut viewer, PATIENCE_US, is_over) {
                    return Err(format!("{RESTLESS} changed its codec, and its viewer stayed"));
                }
                self.tally.codec_changes += 1;
            } else {
                goes_on(&mut viewer, "a restart")?;
                self.tally.restarts += 1;
            }
            ready(server, RESTLESS, Some(codec))?;
        }
        let silence_us = RTSP_SILENCE_US_MAX + STALL_US;
        for (behaviour, length_us) in [
            (Behaviour::Stall, STALL_US),
            (Behaviour::Silent, silence_us),
            (Behaviour::Close, STALL_US),
        ] {
            let mut viewer = watch(web, STALLING)?;
            self.steady.behave(STALLING, behaviour);
            wall::run_one(&mut viewer, length_us, |_| false);
            self.steady.behave(STALLING, Behaviour::Play);
            goes_on(&mut viewer, &format!("{behaviour:?}"))?;
            ready(server, STALLING, None)?;
            self.tally.stalls += 1;
        }
        self.reload(server, web)
    }

    /// The camera is off for a moment, and comes back where it was.
    fn restart(&mut self, codec: Codec) {
        drop(self.restless.take());
        std::thread::sleep(OFF);
        let mount = match codec {
            Codec::H264 => h264(RESTLESS),
            Codec::H265 => {
                let show = Show::Clip { units: self.clip.clone(), frames_per_s: 25 };
                Mount { show, codec, sdp: Some(SDP.to_owned()), ..h264(RESTLESS) }
            }
        };
        self.restless = Some(CameraFarm::open_at(self.restless_at, vec![mount]));
    }

    /// Without the guest, whose viewer is told; then with it.
    fn reload(&mut self, server: &Server, web: SocketAddr) -> Result<(), String> {
        let mut viewer = watch(web, GUEST)?;
        let mut without = self.setup.clone();
        without.cameras.retain(|camera| camera.name != GUEST);
        for setup in [&without, &self.setup] {
            server.configure(setup);
            let answer = server.reload();
            if answer.status != 200 {
                return Err(format!("a reload: {} {}", answer.status, answer.body));
            }
            self.tally.reloads += 1;
        }
        if !wall::run_one(&mut viewer, PATIENCE_US, |viewer| viewer.ended.is_some()) {
            return Err(format!("{GUEST} was taken away, and its viewer stayed"));
        }
        ready(server, GUEST, None)
    }

    fn certificate(&mut self, server: &Server) -> Result<(), String> {
        let [certificate, key] = ["c2.pem", "k2.pem"].map(|name| self.folder.join(name));
        make_certificate("ec", &certificate, &key);
        let expected = fingerprint_of(&certificate);
        for (from, to) in [(certificate, "c.pem"), (key, "k.pem")] {
            std::fs::rename(from, self.folder.join(to)).expect("a writable folder");
        }
        if !wait_for(PATIENCE_US, || fingerprint(server.https) == expected) {
            return Err("another certificate was not taken up".to_owned());
        }
        self.tally.certificates += 1;
        Ok(())
    }
}

impl Drop for Incidents {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn h264(name: &str) -> Mount {
    Mount::new(name, Picture { gop: 10, ..Picture::default() })
}

fn name_of(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "H264",
        Codec::H265 => "H265",
    }
}

/// A viewer that has a picture.
fn watch(web: SocketAddr, camera: &str) -> Result<Viewer, String> {
    let token = Some(TOKEN.to_owned());
    let options = Options { token, codecs: &[Codec::H264, Codec::H265], ..Options::default() };
    let viewer = Viewer::connect_with(web, camera, &options);
    let mut viewer = viewer.map_err(|error| format!("{camera}: {error}"))?;
    let has_media = |viewer: &Viewer| viewer.reception.counts.packets > 0;
    if !wall::run_one(&mut viewer, PATIENCE_US, has_media) {
        return Err(format!("{camera}: no media, {:?}", viewer.ended));
    }
    Ok(viewer)
}

/// Whether its picture comes again in the same session.
fn goes_on(viewer: &mut Viewer, after: &str) -> Result<(), String> {
    // What was under way may still come.
    wall::run_one(viewer, STALL_US, |_| false);
    let before = viewer.reception.counts.packets;
    let has_more = |viewer: &Viewer| viewer.reception.counts.packets > before;
    if wall::run_one(viewer, PATIENCE_US, has_more) {
        return Ok(());
    }
    Err(format!("no picture after {after}: {:?}", viewer.ended))
}

fn codec_of(server: &Server, name: &str) -> Option<&'static str> {
    let listed = server.tell("cameras");
    let camera = listed["cameras"].as_array()?.iter().find(|camera| camera["name"] == name)?;
    let is_ready = camera["ready"] == true;
    [Codec::H264, Codec::H265]
        .map(name_of)
        .into_iter()
        .find(|codec| is_ready && camera["codec"] == *codec)
}

/// Waits until viewers may come.
fn ready(server: &Server, name: &str, codec: Option<Codec>) -> Result<(), String> {
    let is_ready = || {
        let now = codec_of(server, name);
        now.is_some() && codec.is_none_or(|codec| now == Some(name_of(codec)))
    };
    let error = || format!("{name} is not ready again");
    wait_for(PATIENCE_US, is_ready).then_some(()).ok_or_else(error)
}

/// Logs in a second after the other; half of them log out. How many there were.
fn log_in_until(web: SocketAddr, is_over: &AtomicBool) -> Result<u64, String> {
    let mut count = 0;
    while !is_over.load(Relaxed) {
        let began_us = clock::now_us();
        log_in(web, count % 2 == 0)?;
        count += 1;
        let took = Duration::from_micros(clock::now_us() - began_us);
        std::thread::sleep(LOGIN.saturating_sub(took));
    }
    Ok(count)
}

fn log_in(web: SocketAddr, leaves: bool) -> Result<(), String> {
    let ask = |method: &str, path: &str, header: (&str, &str), body: &str| {
        let answer = whep::request(web, method, path, &[header], body);
        answer.map_err(|error| format!("{method} {path}: {error}"))
    };
    let form = format!("user=anna&password={PASSWORD}&next=/");
    let is_form = ("Content-Type", "application/x-www-form-urlencoded");
    let answer = ask("POST", "/-/login", is_form, &form)?;
    let cookie = answer.header("set-cookie").ok_or_else(|| format!("no cookie: {answer:?}"))?;
    let cookie = ("Cookie", cookie.split(';').next().unwrap_or_default());
    let known = ask("GET", "/api/identity", cookie, "")?;
    let left = if leaves { ask("POST", "/-/logout", cookie, "")?.status } else { 303 };
    match (known.status, left) {
        (200, 303) => Ok(()),
        statuses => Err(format!("a login: {statuses:?}")),
    }
}
