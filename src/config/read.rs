//! The whole file: from its path or its text to a [`Config`] and the mistakes in it.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::place::{Problem, Problems, Severity};
use super::section::{At, Section, wrong_type};
use super::{Camera, Config, WebRtc, account, camera};
use crate::access::Policy;
use crate::limits::{
    CAMERAS_MAX, CANDIDATES_MAX, CONFIG_BYTES_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN,
};

/// The only form of the file so far.
const CONFIG_VERSION: usize = 1;

/// A file that was read, with everything that is wrong in it.
#[derive(Debug)]
pub struct Loaded {
    /// What can be used; defaults stand in for what was wrong.
    pub config: Config,
    /// In the file's order; empty when `weir check` is content.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// Whether weir must not start with it.
    pub fn is_fatal(&self) -> bool {
        let fatal = |problem: &Problem| problem.severity == Severity::Fatal;
        self.problems.iter().any(fatal)
    }
}

/// Reads the file at `path`; a relative `password_file` is looked for beside it.
///
/// # Errors
/// The file cannot be read, is not UTF-8, or is over [`CONFIG_BYTES_MAX`].
pub fn load(path: &Path) -> io::Result<Loaded> {
    let mut text = String::new();
    let bytes = File::open(path)?.take(CONFIG_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    if bytes > CONFIG_BYTES_MAX {
        let message = format!("more than {CONFIG_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(parse(&text, path.parent().unwrap_or(Path::new(""))))
}

/// Reads the file's text; a relative `password_file` is looked for in `directory`.
pub fn parse(text: &str, directory: &Path) -> Loaded {
    let mut problems = Problems::new(text);
    let mut config = Config::default();
    match DeTable::parse(text) {
        Ok(table) => read_root(table.get_ref(), directory, &mut config, &mut problems),
        Err(error) => {
            // `Display` would quote the line, and with it perhaps a password.
            let message = error.message().replace('\n', ", ");
            let offset = error.span().map_or(0, |span| span.start);
            problems.note(offset, Severity::Fatal, message);
        }
    }
    Loaded { config, problems: problems.into_sorted() }
}

fn read_root(table: &DeTable, directory: &Path, config: &mut Config, problems: &mut Problems) {
    let mut root = Section::new("the file", table);
    let mut policy = Policy::default();
    match root.value("config_version") {
        None => {
            let message = format!("`config_version = {CONFIG_VERSION}` is missing");
            problems.note(0, Severity::Warning, message);
        }
        Some(_) => {
            let range = CONFIG_VERSION..=CONFIG_VERSION;
            root.count("config_version", range, CONFIG_VERSION, problems);
        }
    }
    if let Some(mut http) = subsection(&mut root, "http", "[http]", problems) {
        config.http.listen = http.listen(config.http.listen, problems);
        account::read_http(&mut http, &mut policy, problems);
        http.finish(problems);
    }
    account::read_all(&mut root, &mut policy, problems);
    config.access = Arc::new(policy);
    if let Some(mut diagnostics) = subsection(&mut root, "diagnostics", "[diagnostics]", problems) {
        config.diagnostics.listen = diagnostics.listen(config.diagnostics.listen, problems);
        diagnostics.finish(problems);
    }
    if let Some(section) = subsection(&mut root, "webrtc", "[webrtc]", problems) {
        read_webrtc(section, &mut config.webrtc, problems);
    }
    if let Some(list) = root.value("camera") {
        match list.get_ref() {
            DeValue::Array(list) => {
                for (index, item) in list.iter().enumerate() {
                    let offset = item.span().start;
                    read_camera(item.get_ref(), offset, index, directory, config, problems);
                }
            }
            other => {
                let wanted = "written [[camera]]";
                let At { value, offset } =
                    wrong_type("the file", "camera", wanted, other, list.span().start);
                problems.note(offset, Severity::Fatal, value);
            }
        }
    }
    root.finish(problems);
}

/// A table of the file, if it is there and one.
fn subsection<'s, 't>(
    root: &mut Section<'s, 't>,
    key: &'static str,
    title: &'static str,
    problems: &mut Problems,
) -> Option<Section<'s, 't>> {
    let value = root.value(key)?;
    if let DeValue::Table(table) = value.get_ref() {
        return Some(Section::new(title, table));
    }
    let offset = value.span().start;
    let At { value, offset } = wrong_type("the file", key, "a table", value.get_ref(), offset);
    problems.note(offset, Severity::Fatal, value);
    None
}

fn read_webrtc(mut section: Section, webrtc: &mut WebRtc, problems: &mut Problems) {
    webrtc.listen = section.listen(webrtc.listen, problems);
    let range = PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX;
    webrtc.payload_bytes = section.count("payload_bytes", range, webrtc.payload_bytes, problems);
    webrtc.resend = section.switch("resend", webrtc.resend, problems);
    if let Some(list) = section.value("announce") {
        let offset = list.span().start;
        match list.get_ref() {
            DeValue::Array(items) if items.len() > CANDIDATES_MAX => {
                let message = format!(
                    "`announce` in [webrtc] has {} addresses, max {CANDIDATES_MAX}",
                    items.len()
                );
                problems.note(offset, Severity::Warning, message);
            }
            DeValue::Array(items) => {
                for item in items.iter() {
                    let address = item.get_ref().as_str().and_then(announced);
                    if address.is_none() {
                        let message = "`announce` in [webrtc] needs addresses a browser can \
                                       reach, like \"192.0.2.10:8118\"";
                        problems.note(item.span().start, Severity::Warning, message.to_owned());
                    }
                    webrtc.announce.extend(address);
                }
            }
            other => {
                let At { value, offset } =
                    wrong_type("[webrtc]", "announce", "a list", other, offset);
                problems.note(offset, Severity::Warning, value);
            }
        }
    }
    section.finish(problems);
}

/// An address that can stand in a candidate.
fn announced(text: &str) -> Option<SocketAddr> {
    let address: SocketAddr = text.parse().ok()?;
    let reachable = !address.ip().is_unspecified() && !address.ip().is_multicast();
    (reachable && address.port() != 0).then_some(address)
}

fn read_camera(
    item: &DeValue,
    offset: usize,
    index: usize,
    directory: &Path,
    config: &mut Config,
    problems: &mut Problems,
) {
    let number = index + 1;
    if index >= CAMERAS_MAX {
        let message = format!("camera {number} of the file, max {CAMERAS_MAX} in this build");
        problems.note(offset, Severity::Camera, message);
        return;
    }
    let camera = match item {
        DeValue::Table(table) => {
            camera::read(table, offset, number, &config.cameras, directory, problems)
        }
        other => {
            let At { value, offset } = wrong_type("the file", "camera", "tables", other, offset);
            problems.note(offset, Severity::Camera, value.clone());
            Camera {
                name: format!("#{number}"),
                url: String::new(),
                user: None,
                password: super::Secret::default(),
                problem: Some(value),
            }
        }
    };
    config.cameras.push(camera);
}

#[cfg(test)]
mod tests;
