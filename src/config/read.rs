//! Reads the whole file, from its path or its text, into a [`Config`] and a list of mistakes.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::place::{Problem, Problems, Severity};
use super::section::{At, TomlSection, wrong_type};
use super::syntax::{Extent, first_mistake};
use super::{
    Camera, Config, Diagnostics, Https, WebRtc, account, camera, console, https, ice_servers,
};
use crate::access::{Policy, TokenHash};
use crate::limits::{
    CAMERAS_MAX, CANDIDATES_MAX, CONFIG_BYTES_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN,
};
use crate::storage::file_text;

/// The only version of the file format so far.
const CONFIG_VERSION: usize = 1;

/// A file that was read, with every mistake in it.
#[derive(Debug)]
pub struct Loaded {
    /// The usable part; defaults replace wrong values.
    pub config: Config,
    /// Mistakes in the file's order; empty when `weir check` accepts the file.
    pub problems: Vec<Problem>,
    /// Number of mistakes beyond those in `problems`.
    pub unnamed_problems: usize,
}

impl Loaded {
    /// Whether the file must not be used.
    pub fn is_fatal(&self) -> bool {
        self.fatal().is_some()
    }

    /// The mistake for which the file must not be used, if there is one.
    pub fn fatal(&self) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.severity == Severity::Fatal)
    }
}

/// Reads the file at `path`; relative paths in it are resolved in the same folder.
///
/// # Errors
/// The file cannot be read, is not UTF-8, or is over [`crate::limits::CONFIG_BYTES_MAX`].
pub fn load(path: &Path) -> io::Result<Loaded> {
    Ok(parse(&file_text(path, CONFIG_BYTES_MAX)?, path.parent().unwrap_or(Path::new(""))))
}

/// Reads the file's text; relative paths in it are resolved in `directory`.
pub fn parse(text: &str, directory: &Path) -> Loaded {
    let mut problems = Problems::new(text);
    let mut config = Config::default();
    if let Some(excess) = Extent::of(text).excess() {
        problems.note(0, Severity::Fatal, excess);
    } else if let Some(At { value, offset }) = first_mistake(text) {
        problems.note(offset, Severity::Fatal, value);
    } else {
        match DeTable::parse(text) {
            // A power cut can leave an empty file. For the defaults, `config_version` is enough.
            Ok(table) if table.get_ref().is_empty() => {
                problems.note(0, Severity::Fatal, "there is nothing in the file".to_owned());
            }
            Ok(table) => read_root(table.get_ref(), directory, &mut config, &mut problems),
            Err(error) => {
                // `Display` would quote the line, and with it perhaps a password.
                let message = error.message().replace('\n', ", ");
                let offset = error.span().map_or(0, |span| span.start);
                problems.note(offset, Severity::Fatal, message);
            }
        }
    }
    let (problems, unnamed_problems) = problems.into_sorted();
    Loaded { config, problems, unnamed_problems }
}

fn read_root(table: &DeTable, directory: &Path, config: &mut Config, problems: &mut Problems) {
    let mut root = TomlSection::new("the file", table);
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
        config.http.ice_servers = ice_servers::read(&mut http, problems);
        account::read_http(&mut http, &mut policy, problems);
        http.finish(problems);
    }
    account::read_all(&mut root, &mut policy, problems);
    config.access = Arc::new(policy);
    // Logins must not cross the network in plain text, so they turn TLS on.
    let has_logins = ["user", "token"].iter().any(|key| table.contains_key(*key));
    config.https = Https::default_for(has_logins);
    if let Some(section) = subsection(&mut root, "https", "[https]", problems) {
        https::read(section, directory, &mut config.https, problems);
    }
    if let Some(section) = subsection(&mut root, "diagnostics", "[diagnostics]", problems) {
        read_diagnostics(section, &mut config.diagnostics, problems);
    }
    if let Some(mut process) = subsection(&mut root, "process", "[process]", problems) {
        config.process.user = process.user(problems);
        process.finish(problems);
    }
    if let Some(section) = subsection(&mut root, "console", "[console]", problems) {
        console::read(section, &mut config.console, problems);
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
    account::check_prefix(config, &mut root, problems);
    root.finish(problems);
}

/// The table `key` of the file, if there is one; a value of another type is fatal.
fn subsection<'s, 't>(
    root: &mut TomlSection<'s, 't>,
    key: &'static str,
    title: &'static str,
    problems: &mut Problems,
) -> Option<TomlSection<'s, 't>> {
    let value = root.value(key)?;
    if let DeValue::Table(table) = value.get_ref() {
        return Some(TomlSection::new(title, table));
    }
    let offset = value.span().start;
    let At { value, offset } = wrong_type("the file", key, "a table", value.get_ref(), offset);
    problems.note(offset, Severity::Fatal, value);
    None
}

fn read_diagnostics(
    mut section: TomlSection,
    diagnostics: &mut Diagnostics,
    problems: &mut Problems,
) {
    diagnostics.listen = section.listen(diagnostics.listen, problems);
    match section.text("token_hash") {
        Ok(None) if !diagnostics.listen.ip().is_loopback() => {
            let offset = section.value("listen").map_or(0, |value| value.span().start);
            let message = "`listen` in [diagnostics] is not loopback: without a `token_hash` others \
                           are refused";
            problems.note(offset, Severity::Warning, message.to_owned());
        }
        Ok(None) => {}
        Ok(Some(text)) => {
            diagnostics.token_hash = TokenHash::parse(text.value);
            if diagnostics.token_hash.is_none() {
                let message = "`token_hash` in [diagnostics] is not \"sha256$\" and 64 hexadecimal \
                               digits: none but loopback is answered";
                problems.note(text.offset, Severity::Warning, message.to_owned());
            }
        }
        Err(At { value, offset }) => problems.note(offset, Severity::Warning, value),
    }
    section.finish(problems);
}

fn read_webrtc(mut section: TomlSection, webrtc: &mut WebRtc, problems: &mut Problems) {
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

/// An address that can be offered as a candidate: not unspecified, not multicast, port not 0.
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
            let mistake = wrong_type("the file", "camera", "tables", other, offset);
            let reason = camera::reason(&mistake, problems);
            problems.note(offset, Severity::Camera, mistake.value);
            Camera {
                name: format!("#{number}"),
                url: None,
                user: None,
                password: crate::storage::Secret::default(),
                trust: super::CameraTrust::default(),
                sound: true,
                transport: None,
                onvif_port: None,
                problem: Some(reason),
            }
        }
    };
    config.cameras.push(camera);
}

#[cfg(test)]
mod tests;
