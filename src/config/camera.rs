//! One `[[camera]]`: its name, its URL and its login. A mistake disables this camera alone.

use std::io::Read as _;
use std::path::Path;

use toml::de::DeTable;

use super::file::open;
use super::place::{Problems, Severity};
use super::section::{At, Section};
use super::{Camera, Secret};
use crate::limits::{CAMERA_NAME_BYTES_MAX, CAMERA_SECRET_BYTES_MAX, CAMERA_URL_BYTES_MAX};

const TITLE: &str = "[[camera]]";
/// First path segments that are weir's own.
const RESERVED: [&str; 3] = ["api", "healthz", "metrics"];

/// Why `name` cannot be a camera's; `None` when it can.
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
        // A browser takes `/./` and `/../` out of a path before it asks.
        Some("is nothing but dots".to_owned())
    } else {
        None
    }
}

/// Reads one camera, the `number`th of the file; its mistakes are noted and kept in `problem`.
pub(super) fn read(
    table: &DeTable,
    offset: usize,
    number: usize,
    before: &[Camera],
    directory: &Path,
    problems: &mut Problems,
) -> Camera {
    let mut section = Section::new(TITLE, table);
    let mut mistakes = Vec::new();
    let name = read_name(&mut section, offset, number, before, &mut mistakes);
    let url = required(&mut section, "url", offset, &mut mistakes);
    let login = url.and_then(|url| {
        split_url(url.value).map_err(|message| mistakes.push(at(url.offset, message))).ok()
    });
    let (url, user_in_url, password_in_url) = login.unwrap_or_default();
    let user = read_secret(&mut section, "user", &mut mistakes);
    let password = read_password(&mut section, directory, &mut mistakes);
    if user_in_url.is_some() && (user.is_some() || password.is_some()) {
        let message = "`url` has a user in it, and there is `user` or `password` too";
        mistakes.push(at(offset, message.to_owned()));
    } else if user.is_none() && password.is_some() {
        mistakes.push(at(offset, "there is a password but no `user`".to_owned()));
    }
    section.finish(problems);
    for At { value, offset } in &mistakes {
        problems.note(*offset, Severity::Camera, format!("camera {name}: {value}"));
    }
    Camera {
        name,
        url,
        user: user.or(user_in_url),
        password: Secret::new(password.or(password_in_url).unwrap_or_default()),
        problem: mistakes.first().map(|mistake| reason(mistake, problems)),
    }
}

/// Why a camera is disabled, with the place, as `/api/cameras` shows it.
pub(super) fn reason(mistake: &At<String>, problems: &Problems) -> String {
    let (line, column) = problems.place(mistake.offset);
    format!("line {line}, column {column}: {}", mistake.value)
}

fn at(offset: usize, value: String) -> At<String> {
    At { value, offset }
}

/// A string that must be there.
fn required<'s>(
    section: &mut Section<'s, '_>,
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

/// The name, or one made of the camera's number so that the list can show it.
fn read_name(
    section: &mut Section,
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

/// A user or a password: bounded, and without line breaks that could forge a header.
fn read_secret(
    section: &mut Section,
    key: &'static str,
    mistakes: &mut Vec<At<String>>,
) -> Option<String> {
    match section.text(key) {
        Ok(None) => {}
        Ok(Some(text)) => match secret_problem(text.value) {
            None => return Some(text.value.to_owned()),
            Some(problem) => mistakes.push(at(text.offset, format!("`{key}` {problem}"))),
        },
        Err(mistake) => mistakes.push(mistake),
    }
    None
}

fn secret_problem(text: &str) -> Option<String> {
    if text.len() > CAMERA_SECRET_BYTES_MAX {
        Some(format!("is {} bytes long, max {CAMERA_SECRET_BYTES_MAX}", text.len()))
    } else if text.chars().any(char::is_control) {
        Some("has a control character".to_owned())
    } else {
        None
    }
}

/// The password, from the file itself or from the one that `password_file` names.
fn read_password(
    section: &mut Section,
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
    let read = open(&directory.join(file.value))
        .and_then(|opened| opened.take(CAMERA_SECRET_BYTES_MAX as u64 + 3).read_to_end(&mut bytes));
    let problem = match read {
        // Which file stands at this place; a viewer is told the reason, and not the path.
        Err(error) => Some(format!("cannot be read: {error}")),
        Ok(_) => match std::str::from_utf8(&bytes) {
            Err(_) => Some("is not UTF-8".to_owned()),
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                match secret_problem(text) {
                    None => return Some(text.to_owned()),
                    problem => problem,
                }
            }
        },
    };
    mistakes.extend(problem.map(|problem| at(file.offset, format!("`password_file` {problem}"))));
    None
}

/// A URL without its login, the user, and the password.
type SplitUrl = (String, Option<String>, Option<String>);

/// Takes the login out of an RTSP URL, so that what is left may be logged.
fn split_url(url: &str) -> Result<SplitUrl, String> {
    if url.len() > CAMERA_URL_BYTES_MAX {
        let bytes = url.len();
        return Err(format!("`url` is {bytes} bytes long, max {CAMERA_URL_BYTES_MAX}"));
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("`url` has a space or a character that must be percent-encoded".to_owned());
    }
    let rest = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("rtsp") => rest,
        _ => return Err("`url` does not begin with rtsp://".to_owned()),
    };
    // Passwords with `@` are written as they are by many; a host never has one.
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let (login, host) = match authority.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    check_host(host)?;
    let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
        None => (None, None),
        Some((user, password)) => (Some(percent_decoded(user)?), Some(percent_decoded(password)?)),
    };
    Ok((format!("rtsp://{host}{path}"), user, password))
}

/// `host` or `host:port`, with an IPv6 address in brackets.
fn check_host(host: &str) -> Result<(), String> {
    let (name, port) = match host.strip_prefix('[') {
        Some(inner) => {
            let (address, port) = inner
                .split_once(']')
                .filter(|(address, _)| address.parse::<std::net::Ipv6Addr>().is_ok())
                .ok_or("`url` has a bad IPv6 address in it")?;
            (address, port)
        }
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    if name.is_empty() {
        return Err("`url` has no host".to_owned());
    }
    let port_is_good = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
    };
    if port_is_good { Ok(()) } else { Err("`url` has a bad port, not in 1 to 65535".to_owned()) }
}

/// Undoes percent-encoding in a login.
fn percent_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match decoded.filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| "the login in `url` is not UTF-8")?;
    match secret_problem(&text) {
        None => Ok(text),
        Some(problem) => Err(format!("the login in `url` {problem}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_leaves_the_url() {
        let (url, user, password) =
            split_url("RTSP://viewer:p%40ss@w@[2001:db8::7]:8554/a?b=c@d").expect("good");
        assert_eq!(url, "rtsp://[2001:db8::7]:8554/a?b=c@d");
        assert_eq!(user.as_deref(), Some("viewer"));
        assert_eq!(password.as_deref(), Some("p@ss@w"));
    }

    #[test]
    fn a_percent_sign_that_encodes_nothing_stays() {
        assert_eq!(percent_decoded("100%").expect("good"), "100%");
        assert_eq!(percent_decoded("%zz%41").expect("good"), "%zzA");
        assert!(percent_decoded("%0d%0aX: y").is_err());
    }
}
