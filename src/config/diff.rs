//! What a new configuration changes against the one in force.
//!
//! Pure. Cameras are matched by name: a camera that keeps its name is the same camera, wherever in
//! the file it moves. A key that only a restart can change is reported and reset to its old value.

use super::{Camera, Config, Console, Diagnostics, Http, Https, Process, TlsMode, WebRtc};

/// What a reload does with each camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraChanges {
    /// One change per new camera, in the new order.
    pub per_camera: Vec<CameraChange>,
    /// Indexes of the old cameras that are gone.
    pub removed: Vec<usize>,
}

/// How a new camera relates to the old ones; the number is its index in the old list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraChange {
    /// No old camera has this name.
    Added,
    /// What reaches it, its trust, `sound`, `transport`, `onvif_port` and enabled state are the
    /// same: it stays.
    Same(usize),
    /// One of them differs.
    Changed(usize),
}

/// Compares two lists of cameras; names are unique within each.
pub fn cameras(old: &[&Camera], new: &[Camera]) -> CameraChanges {
    let place = |name: &str| old.iter().position(|camera| camera.name == name);
    let per_camera = new.iter().map(|camera| match place(&camera.name) {
        None => CameraChange::Added,
        Some(at) if is_reached_alike(old[at], camera) => CameraChange::Same(at),
        Some(at) => CameraChange::Changed(at),
    });
    let is_gone = |at: &usize| !new.iter().any(|camera| camera.name == old[*at].name);
    CameraChanges {
        per_camera: per_camera.collect(),
        removed: (0..old.len()).filter(is_gone).collect(),
    }
}

/// Whether nothing differs that the connection depends on. The text of `problem` may differ: it
/// names a line, which can move.
fn is_reached_alike(old: &Camera, new: &Camera) -> bool {
    old.url == new.url
        && old.user == new.user
        && old.password == new.password
        && old.trust == new.trust
        && old.sound == new.sound
        && old.transport == new.transport
        && old.onvif_port == new.onvif_port
        && old.problem.is_some() == new.problem.is_some()
}

/// Resets every key of `new` that differs from `old` but needs a restart, so that `new` says what
/// is in force. Returns those keys, like `listen in [http]`.
pub fn take_back_fixed(old: &Config, new: &mut Config) -> Vec<&'static str> {
    // Every field is named here: a new one does not compile until its reload is decided.
    let Config { http, https, webrtc, diagnostics, process, console, access: _, cameras: _ } = new;
    let Http { listen: http_listen, ice_servers: _ } = http;
    let WebRtc { listen: media_listen, payload_bytes, announce: _, resend: _ } = webrtc;
    let Https { listen: https_listen, tls } = https;
    let Diagnostics { listen: diagnostics_listen, token_hash: _ } = diagnostics;
    let Process { user } = process;
    let Console { device, baud, password: _ } = console;
    let mut keys = Vec::new();
    take_back("listen in [http]", &old.http.listen, http_listen, &mut keys);
    take_back("listen in [https]", &old.https.listen, https_listen, &mut keys);
    // Which certificate is used may change; whether TLS is on decides what listens.
    if (*tls == TlsMode::Off) != (old.https.tls == TlsMode::Off) {
        take_back("tls in [https]", &old.https.tls, tls, &mut keys);
    }
    take_back("listen in [webrtc]", &old.webrtc.listen, media_listen, &mut keys);
    take_back("payload_bytes in [webrtc]", &old.webrtc.payload_bytes, payload_bytes, &mut keys);
    take_back("listen in [diagnostics]", &old.diagnostics.listen, diagnostics_listen, &mut keys);
    take_back("user in [process]", &old.process.user, user, &mut keys);
    take_back("device in [console]", &old.console.device, device, &mut keys);
    take_back("baud in [console]", &old.console.baud, baud, &mut keys);
    keys
}

fn take_back<T: Clone + PartialEq>(
    key: &'static str,
    old: &T,
    new: &mut T,
    keys: &mut Vec<&'static str>,
) {
    if new != old {
        new.clone_from(old);
        keys.push(key);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn of(cameras: &[(&str, &str)]) -> Vec<Camera> {
        let mut text = "config_version = 1\n".to_owned();
        for (name, rest) in cameras {
            text += &format!("[[camera]]\nname = \"{name}\"\n{rest}\n");
        }
        parse(&text, Path::new("/nonexistent")).config.cameras
    }

    fn changes(old: &[Camera], new: &[Camera]) -> CameraChanges {
        cameras(&old.iter().collect::<Vec<_>>(), new)
    }

    const URL: &str = "url = \"rtsp://h/1\"";

    #[test]
    fn cameras_are_matched_by_name_wherever_they_stand() {
        let old = of(&[("a", URL), ("b", URL), ("c", URL)]);
        let new = of(&[("c", URL), ("d", URL), ("a", URL)]);
        let expected = CameraChanges {
            per_camera: vec![CameraChange::Same(2), CameraChange::Added, CameraChange::Same(0)],
            removed: vec![1],
        };
        assert_eq!(changes(&old, &new), expected);
        assert_eq!(changes(&[], &old).per_camera, [CameraChange::Added; 3]);
        assert_eq!(changes(&old, &[]).removed, [0, 1, 2]);
    }

    #[test]
    fn another_url_or_login_is_a_change_and_so_is_a_mistake() {
        let login = "url = \"rtsp://h/1\"\nuser = \"u\"\npassword = \"p\"";
        let old = of(&[("a", login)]);
        for (rest, expected) in [
            ("url = \"rtsp://u:p@h/1\"", CameraChange::Same(0)),
            ("url = \"rtsp://u:p@h/2\"", CameraChange::Changed(0)),
            ("url = \"rtsp://v:p@h/1\"", CameraChange::Changed(0)),
            ("url = \"rtsp://u:q@h/1\"", CameraChange::Changed(0)),
            ("url = \"rtsp://h/1\"", CameraChange::Changed(0)),
            ("url = \"http://h/1\"", CameraChange::Changed(0)),
            ("url = \"rtsp://u:p@h/1\"\nunknown = 1", CameraChange::Same(0)),
            ("url = \"rtsp://u:p@h/1\"\nsound = true", CameraChange::Same(0)),
            ("url = \"rtsp://u:p@h/1\"\nsound = false", CameraChange::Changed(0)),
            ("url = \"rtsp://u:p@h/1\"\nonvif_port = 80", CameraChange::Changed(0)),
        ] {
            assert_eq!(changes(&old, &of(&[("a", rest)])).per_camera, [expected], "{rest}");
        }
    }

    #[test]
    fn a_mistake_that_moves_in_the_file_is_no_change() {
        let bad = ("a", "url = \"http://h/\"");
        let (old, new) = (of(&[bad]), of(&[("b", URL), bad]));
        assert_ne!(old[0].problem, new[1].problem);
        assert_eq!(changes(&old, &new).per_camera, [CameraChange::Added, CameraChange::Same(0)]);
    }

    #[test]
    fn what_needs_a_restart_is_named_and_stays() {
        let read = |text: &str| parse(&format!("config_version = 1\n{text}"), Path::new("")).config;
        let old = Config::default();
        for (text, expected) in [
            ("[http]\nlisten = \"[::]:1\"", "listen in [http]"),
            ("[https]\nlisten = \"[::]:1\"", "listen in [https]"),
            ("[https]\ntls = \"self-signed\"", "tls in [https]"),
            ("[webrtc]\nlisten = \"[::]:1\"", "listen in [webrtc]"),
            ("[webrtc]\npayload_bytes = 900", "payload_bytes in [webrtc]"),
            ("[diagnostics]\nlisten = \"127.0.0.1:1\"", "listen in [diagnostics]"),
            ("[process]\nuser = \"weir\"", "user in [process]"),
        ] {
            let mut new = read(text);
            assert_ne!(new, old);
            assert_eq!(take_back_fixed(&old, &mut new), [expected]);
            assert_eq!(new, old);
        }
        let mut new = read("[webrtc]\nresend = false\nannounce = [\"192.0.2.1:8118\"]");
        let wanted = new.clone();
        assert!(take_back_fixed(&old, &mut new).is_empty());
        assert_eq!(new, wanted, "for the sessions to come");
    }
}
