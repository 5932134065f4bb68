//! The certificates that cameras showed first, by host and port. Whoever answers there later has to
//! show the same.
//!
//! Those of configured cameras are kept in the state folder, in a file that is written when a pin
//! is new or forgotten, and at no other time. So there are at most as many as cameras. Cameras of
//! one recorder, with one host and port, share a pin.

use std::cell::RefCell;

use tokio::task::spawn_blocking;

use crate::config::CertificateFingerprint;
use crate::limits::CAMERA_PINS_FILE_BYTES_MAX;
use crate::rtsp::CameraUrl;
use crate::storage::StateFolder;

/// The file: a line for each pin with fingerprint, host and port.
const FILE: &str = "weir-cameras";

/// The pins of all configured cameras. For one thread.
#[derive(Debug)]
pub(crate) struct CameraPins {
    folder: StateFolder,
    pins: RefCell<Vec<Pin>>,
}

/// An encrypted camera's place, and the certificate that was shown there first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pin {
    place: String,
    fingerprint: Option<CertificateFingerprint>,
}

impl CameraPins {
    /// The pins that the folder's file has. Where it cannot be read, the next certificate of each
    /// camera counts as its first, with an error in the log.
    pub(crate) fn open(folder: StateFolder) -> Self {
        let pins = match folder.read(FILE, CAMERA_PINS_FILE_BYTES_MAX) {
            Ok(bytes) => parse(&String::from_utf8_lossy(&bytes.unwrap_or_default())),
            Err(error) => {
                log::error!(
                    "cannot read {FILE} in the state folder: {error}; the certificates that cameras \
                     show next are taken for theirs"
                );
                Vec::new()
            }
        };
        Self { folder, pins: RefCell::new(pins) }
    }

    /// The cameras of the configuration in force: others lose their pins.
    pub(crate) fn configure<'u>(&self, cameras: impl Iterator<Item = &'u CameraUrl>) {
        let mut pins = self.pins.borrow_mut();
        let mut next: Vec<Pin> = Vec::new();
        for url in cameras.filter(|url| url.scheme().is_encrypted()) {
            let place = place(url);
            if next.iter().any(|pin| pin.place == place) {
                continue;
            }
            let known = pins.iter().find(|pin| pin.place == place);
            let fingerprint = known.and_then(|pin| pin.fingerprint);
            next.push(Pin { place, fingerprint });
        }
        *pins = next;
    }

    /// The certificate that was shown first where `url` leads to.
    pub(crate) fn of(&self, url: &CameraUrl) -> Option<CertificateFingerprint> {
        let place = place(url);
        self.pins.borrow().iter().find(|pin| pin.place == place)?.fingerprint
    }

    /// Pins the first certificate of a configured camera.
    pub(crate) fn pin(&self, url: &CameraUrl, shown: CertificateFingerprint) {
        let place = place(url);
        let mut pins = self.pins.borrow_mut();
        let free = pins.iter_mut().find(|pin| pin.place == place && pin.fingerprint.is_none());
        let Some(pin) = free else { return };
        pin.fingerprint = Some(shown);
        drop(pins);
        log::info!("{url}: its certificate is from now on SHA-256 {shown}");
        self.keep();
    }

    /// Forgets the pin of a camera, so that its next certificate counts as its first. Returns the
    /// forgotten one.
    pub(crate) fn forget(&self, url: &CameraUrl) -> Option<CertificateFingerprint> {
        let place = place(url);
        let mut pins = self.pins.borrow_mut();
        let pin = pins.iter_mut().find(|pin| pin.place == place)?;
        let forgotten = pin.fingerprint.take()?;
        drop(pins);
        self.keep();
        Some(forgotten)
    }

    /// Writes the file on the blocking thread, which does one thing after the other.
    fn keep(&self) {
        if self.folder.path(FILE).is_none() {
            return;
        }
        let (folder, text) = (self.folder.clone(), text(&self.pins.borrow()));
        spawn_blocking(move || {
            if let Err(error) = folder.write(FILE, text.as_bytes()) {
                log::error!("cannot keep the certificates of cameras in {FILE}: {error}");
            }
        });
    }
}

fn place(url: &CameraUrl) -> String {
    format!("{} {}", url.host().to_ascii_lowercase(), url.port())
}

fn text(pins: &[Pin]) -> String {
    let line = |pin: &Pin| pin.fingerprint.map(|shown| format!("{shown} {}\n", pin.place));
    pins.iter().filter_map(line).collect()
}

/// Lines that are not as weir writes them are left out, with a warning.
fn parse(text: &str) -> Vec<Pin> {
    let pin = |line: &str| {
        let (fingerprint, place) = line.split_once(' ')?;
        let fingerprint = Some(CertificateFingerprint::parse(fingerprint)?);
        Some(Pin { place: place.to_owned(), fingerprint })
    };
    let pins: Vec<_> = text.lines().filter_map(pin).collect();
    if pins.len() < text.lines().count() {
        log::warn!("{FILE} in the state folder has lines that cannot be read");
    }
    pins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> CameraUrl {
        CameraUrl::parse(text).expect("a url")
    }

    fn settled(state: &StateFolder, act: impl FnOnce(&CameraPins)) -> String {
        // One at a time, as weir has it.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).build().expect("a runtime");
        runtime.block_on(async {
            act(&CameraPins::open(state.clone()));
            // The one before it is done once this is.
            spawn_blocking(|| {}).await.expect("no panic");
        });
        drop(runtime);
        let bytes = state.read(FILE, CAMERA_PINS_FILE_BYTES_MAX).expect("readable");
        String::from_utf8(bytes.unwrap_or_default()).expect("UTF-8")
    }

    #[test]
    fn the_first_certificate_stays_until_it_is_forgotten_or_its_camera_gone() {
        let path = std::env::temp_dir().join(format!("weir-pins-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        let state = StateFolder::at(path.clone());
        let (first, second) = (CertificateFingerprint::of(b"1"), CertificateFingerprint::of(b"2"));
        let gate = url("rtsps://Gate.LAN/1");
        let [again, yard] = ["rtsps+http://gate.lan:322/2", "rtsps://[2001:db8::7]:7441/"].map(url);
        let all = [&gate, &again, &yard];

        let kept = settled(&state, |pins| {
            pins.pin(&gate, first);
            assert_eq!(pins.of(&gate), None, "it is not configured");
            pins.configure(all.into_iter());
            pins.pin(&gate, first);
            pins.pin(&again, second);
            assert_eq!(pins.of(&again), Some(first), "of one host and port");
            pins.pin(&yard, second);
        });
        assert_eq!(kept, format!("{first} gate.lan 322\n{second} 2001:db8::7 7441\n"));

        let kept = settled(&state, |pins| {
            pins.configure(all.into_iter());
            assert_eq!((pins.of(&gate), pins.of(&yard)), (Some(first), Some(second)));
            pins.configure([&yard].into_iter());
            pins.configure(all.into_iter());
            assert_eq!(pins.of(&gate), None, "it was gone");
            assert_eq!(pins.forget(&yard), Some(second));
            assert_eq!(pins.forget(&yard), None);
            pins.pin(&yard, first);
        });
        assert_eq!(kept, format!("{first} 2001:db8::7 7441\n"));

        std::fs::write(path.join(FILE), format!("noise\n{first} gate.lan 322\n")).expect("written");
        let kept = settled(&state, |pins| {
            pins.configure(all.into_iter());
            assert_eq!(pins.of(&gate), Some(first));
        });
        assert!(kept.starts_with("noise"), "what has not changed is not written");
        std::fs::remove_dir_all(path).expect("removed");
    }
}
