//! One `[[camera]]`: its name, URL and login. A mistake disables this camera only. The RTSP client
//! checks URL and login, since it has to send them: what passes here can be dialled.

use std::io::Read as _;
use std::path::Path;

use toml::de::DeTable;

use super::place::{Problems, Severity};
use super::section::{At, TomlSection};
use super::{Camera, camera_trust};
use crate::limits::{CAMERA_NAME_BYTES_MAX, PROFILE, RTSP_PASSWORD_BYTES_MAX, RTSP_USER_BYTES_MAX};
use crate::rtsp::{CameraCredentials, CameraUrl, Transport, UrlError};
use crate::storage::{Secret, open_file};

const TITLE: &str = "[[camera]]";
/// The longest password, with the byte order mark and the line end that editors add.
const PASSWORD_FILE_BYTES_MAX: usize = RTSP_PASSWORD_BYTES_MAX + "\u{feff}\r\n".len();
/// First path segments that weir uses itself.
const RESERVED: [&str; 3] = ["api", "healthz", "metrics"];

/// Why `name` cannot be the name of a camera, at most [`CAMERA_NAME_BYTES_MAX`] bytes; `None` if it
/// can.
pub fn name_problem(name: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() {
        Some("is empty".to_owned())
    } else if name.len() > CAMERA_NAME_BYTES_MAX {
        Some(format!("is {} bytes long, max {CAMERA_NAME_BYTES_MAX}", name.len()))
    } else if !name.bytes().all(fits) {
        Some("has a character other than A-Z a-z 0-9 . _ -".to_owned())
    } else if name.starts_with('-') {
        Some("begins with -".to_owned())
    } else if RESERVED.contains(&name) {
        Some("is reserved".to_owned())
    } else if name.bytes().all(|byte| byte == b'.') {
        // A browser removes `/./` and `/../` from a path before it sends the request.
        Some("is nothing but dots".to_owned())
    } else {
        None
    }
}

/// Reads one camera, the `number`th of the file, from 1. Every mistake is noted; the first one
/// becomes the camera's `problem`.
pub(super) fn read(
    table: &DeTable,
    offset: usize,
    number: usize,
    before: &[Camera],
    directory: &Path,
    problems: &mut Problems,
) -> Camera {
    let mut section = TomlSection::new(TITLE, table);
    let mut mistakes = Vec::new();
    let name = read_name(&mut section, offset, number, before, &mut mistakes);
    let url = required(&mut section, "url", offset, &mut mistakes);
    let url = url.and_then(|url| {
        let parsed = CameraUrl::parse(url.value);
        parsed.map_err(|error| mistakes.push(at(url.offset, format!("`url` {error}")))).ok()
    });
    let (url, in_url) = match url {
        Some(mut url) => {
            let in_url = url.take_credentials();
            (Some(url), in_url)
        }
        None => (None, None),
    };
    if let Some(url) = &url {
        check_bridged(url, offset, before, &mut mistakes);
    }
    let is_encrypted = url.as_ref().map(|url| url.scheme().is_encrypted());
    let trust = camera_trust::read(&mut section, directory, is_encrypted, &mut mistakes);
    let user = read_secret(&mut section, "user", &mut mistakes);
    let password = read_password(&mut section, directory, &mut mistakes);
    if in_url.is_some() && (user.is_some() || password.is_some()) {
        let message = "`url` has a user in it, and there is `user` or `password` too";
        mistakes.push(at(offset, message.to_owned()));
    } else if user.is_none() && password.is_some() {
        mistakes.push(at(offset, "there is a password but no `user`".to_owned()));
    }
    let is_bridged = url.as_ref().is_some_and(|url| url.scheme().is_bridged());
    let transport = read_transport(&mut section, is_bridged, &mut mistakes);
    let has_login = in_url.is_some() || user.is_some();
    let login = in_url.unwrap_or_else(|| CameraCredentials {
        user: user.unwrap_or_default(),
        password: password.unwrap_or_default(),
    });
    let sound = section.switch("sound", true, problems);
    let onvif_port = section.count("onvif_port", 1..=usize::from(u16::MAX), 0, problems);
    let onvif_port = u16::try_from(onvif_port).ok().filter(|port| *port > 0);
    section.finish(problems);
    for At { value, offset } in &mistakes {
        problems.note(*offset, Severity::Camera, format!("camera {name}: {value}"));
    }
    Camera {
        name,
        url,
        user: has_login.then_some(login.user),
        password: Secret::new(login.password),
        trust: trust.unwrap_or_default(),
        sound,
        transport,
        onvif_port,
        problem: mistakes.first().map(|mistake| reason(mistake, problems)),
    }
}

/// Notes a mistake if the camera is encrypted or tunnelled, and as many others are.
fn check_bridged(
    url: &CameraUrl,
    offset: usize,
    before: &[Camera],
    mistakes: &mut Vec<At<String>>,
) {
    let is_bridged = |url: &CameraUrl| url.scheme().is_bridged();
    let others = before.iter().filter(|camera| camera.problem.is_none());
    let others = others.filter(|camera| camera.url.as_ref().is_some_and(is_bridged)).count();
    let max = PROFILE.bridged_cameras;
    if is_bridged(url) && others >= max {
        let what = "cameras by TLS or in an HTTP tunnel";
        let message = format!("{} {what}, max {max} in this build", others + 1);
        mistakes.push(at(offset, message));
    }
}

/// Why a camera is disabled, with line and column, as `/api/cameras` shows it.
pub(super) fn reason(mistake: &At<String>, problems: &Problems) -> String {
    let (line, column) = problems.place(mistake.offset);
    format!("line {line}, column {column}: {}", mistake.value)
}

fn at(offset: usize, value: String) -> At<String> {
    At { value, offset }
}

/// Reads a required string.
fn required<'s>(
    section: &mut TomlSection<'s, '_>,
    key: &'static str,
    offset: usize,
    mistakes: &mut Vec<At<String>>,
) -> Option<At<&'s str>> {
    match section.text(key) {
        Ok(Some(text)) => return Some(text),
        Ok(None) => mistakes.push(at(offset, format!("`{key}` is missing"))),
        Err(mistake) => mistakes.push(mistake),
    }
    None
}

/// The camera's name or, without a usable one, `#number`, so that the list can show the camera.
fn read_name(
    section: &mut TomlSection,
    offset: usize,
    number: usize,
    before: &[Camera],
    mistakes: &mut Vec<At<String>>,
) -> String {
    let Some(name) = required(section, "name", offset, mistakes) else {
        return format!("#{number}");
    };
    if let Some(problem) = name_problem(name.value) {
        mistakes.push(at(name.offset, format!("`name` {problem}")));
        return format!("#{number}");
    }
    if before.iter().any(|camera| camera.name == name.value) {
        let message = format!("`name` \"{}\" is already another camera's", name.value);
        mistakes.push(at(name.offset, message));
        return format!("#{number}");
    }
    name.value.to_owned()
}

/// Reads how RTP is to come; `auto` is what works. A bridged camera sends it on its connection.
fn read_transport(
    section: &mut TomlSection,
    is_bridged: bool,
    mistakes: &mut Vec<At<String>>,
) -> Option<Transport> {
    const ALL: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Multicast];
    match section.text("transport") {
        Ok(None) => {}
        Ok(Some(text)) if text.value == "auto" => {}
        Ok(Some(text)) => match ALL.into_iter().find(|one| one.name() == text.value) {
            Some(transport) if is_bridged && transport != Transport::Tcp => {
                let message = format!(
                    "`transport` is {}, but by TLS or in an HTTP tunnel a camera sends by tcp alone",
                    transport.name()
                );
                mistakes.push(at(text.offset, message));
            }
            Some(transport) => return Some(transport),
            None => {
                let message = "`transport` must be auto, tcp, udp or multicast";
                mistakes.push(at(text.offset, message.to_owned()));
            }
        },
        Err(mistake) => mistakes.push(mistake),
    }
    None
}

/// Reads a user or a password, and refuses one that the RTSP client cannot send.
fn read_secret(
    section: &mut TomlSection,
    key: &'static str,
    mistakes: &mut Vec<At<String>>,
) -> Option<String> {
    match section.text(key) {
        Ok(None) => {}
        Ok(Some(text)) => match secret_problem(key, text.value) {
            None => return Some(text.value.to_owned()),
            Some(problem) => mistakes.push(at(text.offset, format!("`{key}` {problem}"))),
        },
        Err(mistake) => mistakes.push(mistake),
    }
    None
}

fn secret_problem(key: &str, text: &str) -> Option<String> {
    let (mut user, mut password) = (String::new(), String::new());
    if key == "user" {
        user.push_str(text)
    } else {
        password.push_str(text)
    }
    CameraCredentials { user, password }.check().err().map(|error| match error {
        UrlError::UserLength(bytes) => format!("is {bytes} bytes long, max {RTSP_USER_BYTES_MAX}"),
        UrlError::PasswordLength(bytes) => {
            format!("is {bytes} bytes long, max {RTSP_PASSWORD_BYTES_MAX}")
        }
        _ => "has a control character".to_owned(),
    })
}

/// The password, from `password` or from the file that `password_file` names, but not from both.
fn read_password(
    section: &mut TomlSection,
    directory: &Path,
    mistakes: &mut Vec<At<String>>,
) -> Option<String> {
    let password = read_secret(section, "password", mistakes);
    let file = section.text("password_file").unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        None
    });
    let Some(file) = file else {
        return password;
    };
    if password.is_some() {
        let message = "there is both `password` and `password_file`";
        mistakes.push(at(file.offset, message.to_owned()));
        return None;
    }
    let mut bytes = Vec::new();
    let read = open_file(&directory.join(file.value))
        .and_then(|opened| opened.take(PASSWORD_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    let problem = match read {
        // Line and column tell which file it is. Viewers see this reason, so it does not name the
        // path.
        Err(error) => Some(format!("cannot be read: {error}")),
        Ok(_) => match std::str::from_utf8(&bytes) {
            Err(_) => Some("is not UTF-8".to_owned()),
            Ok(text) => {
                let text = without_frame(text);
                match secret_problem("password", text) {
                    None => return Some(text.to_owned()),
                    problem => problem,
                }
            }
        },
    };
    mistakes.extend(problem.map(|problem| at(file.offset, format!("`password_file` {problem}"))));
    None
}

/// A password without what editors add: a byte order mark at the file's begin (Windows) and a line
/// end.
fn without_frame(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::limits::RTSP_URL_BYTES_MAX;

    fn camera(rest: &str) -> Camera {
        let text = format!("config_version = 1\n[[camera]]\nname = \"gate\"\n{rest}\n");
        parse(&text, Path::new("/nonexistent")).config.cameras.remove(0)
    }

    #[test]
    fn sound_is_passed_on_unless_the_section_says_otherwise() {
        for (line, expected) in [("", true), ("sound = true", true), ("sound = false", false)] {
            let camera = camera(&format!("url = \"rtsp://h/1\"\n{line}"));
            assert_eq!((camera.sound, camera.problem), (expected, None), "{line}");
        }
        assert!(camera("url = \"rtsp://h/1\"\nsound = 1").sound, "a mistake is a warning");
    }

    #[test]
    fn onvif_is_at_the_host_of_the_url() {
        let of = |rest: &str| camera(&format!("url = \"rtsps://192.0.2.7:322/1\"\n{rest}"));
        let url = of("onvif_port = 8000").onvif_url().expect("one");
        assert_eq!(
            (url.host(), url.port(), url.scheme().is_encrypted()),
            ("192.0.2.7", 8000, true)
        );
        for (rest, problem) in [("", None), ("onvif_port = 0", None), ("onvif_port = 65536", None)]
        {
            let camera = of(rest);
            assert_eq!((camera.onvif_url(), camera.problem), (None, problem), "{rest}");
        }
        assert_eq!(of("onvif_port = 65535").onvif_port, Some(65535));
    }

    #[test]
    fn the_login_leaves_the_url() {
        let camera = camera("url = \"RTSP://viewer:p%40ss@w@[2001:db8::7]:8554/a?b=c@d\"");
        let url = camera.url.as_ref().expect("good");
        assert_eq!(url.reveal(), "rtsp://[2001:db8::7]:8554/a?b=c@d");
        let login = camera.credentials().expect("a login");
        assert_eq!((login.user.as_str(), login.password.as_str()), ("viewer", "p@ss@w"));
        assert_eq!(url.credentials(), None);
    }

    #[test]
    fn what_the_dialog_cannot_send_is_refused_with_the_figures() {
        let long = |bytes: usize| "x".repeat(bytes);
        for (rest, expected) in [
            (
                format!("url = \"rtsp://h/{}\"", long(RTSP_URL_BYTES_MAX - 8)),
                "`url` is 513 bytes long, max 512",
            ),
            (
                format!("url = \"rtsp://h/\"\nuser = \"{}\"", long(RTSP_USER_BYTES_MAX + 1)),
                "`user` is 65 bytes long, max 64",
            ),
            (
                format!(
                    "url = \"rtsp://h/\"\nuser = \"u\"\npassword = \"{}\"",
                    long(RTSP_PASSWORD_BYTES_MAX + 1)
                ),
                "`password` is 257 bytes long, max 256",
            ),
            (
                "url = \"rtsp://admin:2024/x@192.0.2.7/s1\"".to_owned(),
                "write the login in `user` and `password`",
            ),
            ("url = \"rtsp://h/a b\"".to_owned(), "`url` has a space"),
        ] {
            let problem = camera(&rest).problem.expect("refused");
            assert!(problem.contains(expected) && !problem.contains("xx"), "{problem}");
        }
    }

    #[test]
    fn a_transport_is_one_that_there_is() {
        let read = |text: &str| camera(&format!("url = \"rtsp://h/\"\ntransport = {text}"));
        assert_eq!(camera("url = \"rtsp://h/\"").transport, None);
        assert_eq!(read("\"auto\"").transport, None);
        assert_eq!(read("\"udp\"").transport, Some(Transport::Udp));
        assert_eq!(read("\"multicast\"").transport, Some(Transport::Multicast));
        let problem = read("\"UDP\"").problem.expect("refused");
        assert!(problem.contains("must be auto, tcp, udp or multicast"), "{problem}");
        assert!(read("7").problem.is_some());
        for url in ["rtsps://h/", "rtsp+http://h/"] {
            let read = |text: &str| camera(&format!("url = \"{url}\"\ntransport = {text}"));
            assert_eq!(read("\"tcp\"").transport, Some(Transport::Tcp));
            assert_eq!(read("\"auto\"").problem, None);
            let problem = read("\"multicast\"").problem.expect("refused");
            assert!(problem.contains("is multicast, but by TLS or in an HTTP tunnel"), "{problem}");
        }
    }

    #[test]
    fn what_editors_put_around_a_password_is_no_part_of_it() {
        for text in ["secret", "secret\n", "secret\r\n", "\u{feff}secret\r\n", "\u{feff}secret"] {
            assert_eq!(without_frame(text), "secret", "{text:?}");
        }
        assert_eq!(without_frame(" se\ncret \n"), " se\ncret ");
        assert_eq!(without_frame("\u{feff}\u{feff}x\r\n\r\n"), "\u{feff}x\r\n");
    }

    #[test]
    fn a_password_file_holds_the_longest_password_in_its_frame() {
        let folder = std::env::temp_dir().join(format!("weir-password-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let read = |bytes: usize| {
            let password = format!("\u{feff}{}\r\n", "p".repeat(bytes));
            std::fs::write(folder.join("password"), password).expect("a file");
            let text = "config_version = 1\n[[camera]]\nname = \"gate\"\nurl = \"rtsp://h/\"\n\
                        user = \"u\"\npassword_file = \"password\"\n";
            parse(text, &folder).config.cameras.remove(0)
        };
        let longest = read(RTSP_PASSWORD_BYTES_MAX);
        assert_eq!(longest.problem, None);
        assert_eq!(longest.password.reveal(), "p".repeat(RTSP_PASSWORD_BYTES_MAX));
        assert!(read(RTSP_PASSWORD_BYTES_MAX + 1).problem.expect("refused").contains("max 256"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
