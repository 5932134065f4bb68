//! The resulting weir.toml: names that weir allows, and each camera checked by the configuration's
//! own reader before it goes in.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use super::{Found, ImportKind, ImportedSource, shown};
use crate::config::{self, name_problem};
use crate::limits::{CAMERA_NAME_BYTES_MAX, CAMERAS_MAX, CONFIG_BYTES_MAX};

const VERSION_LINE: &str = "config_version = 1\n";

/// A weir.toml in the making, one camera after another.
pub(super) struct ConfigFragment {
    pub(super) text: String,
    pub(super) taken: usize,
    pub(super) notes: Vec<String>,
    kind: ImportKind,
    names: HashSet<String>,
}

impl ConfigFragment {
    /// An empty fragment. Streams whose names weir allows keep them, however the others are
    /// renamed.
    pub(super) fn of(kind: ImportKind, streams: &[Found]) -> Self {
        let text = format!(
            "# Cameras of a {kind} configuration, with their passwords: keep it for weir's user \
             alone.\n# In a weir.toml that there is already, the next line is.\n{VERSION_LINE}"
        );
        let kept = streams
            .iter()
            .filter(|stream| stream.source.is_ok() && name_problem(&stream.name).is_none());
        let names = kept.map(|stream| stream.name.clone()).collect();
        Self { text, taken: 0, notes: Vec::new(), kind, names }
    }

    /// Adds a stream as a camera, or notes why it is left out.
    pub(super) fn add(&mut self, stream: Found) {
        let Found { name, source, remarks } = stream;
        let label = shown(&name);
        let (source, section, new_name) = match source
            .and_then(|source| self.section(&name, &label, &source).map(|made| (source, made)))
        {
            Ok((source, (section, new_name))) => (source, section, new_name),
            Err(why) => {
                self.notes.push(format!("{label}: not taken over: {why}"));
                return;
            }
        };
        self.text.push_str(&section);
        self.taken += 1;
        if let Some(new_name) = new_name {
            self.notes.push(format!(
                "{label}: is called {new_name} in weir, which allows letters, \
                                     digits, dot, dash and underscore, and each name once"
            ));
            self.names.insert(new_name);
        }
        if !source.variables.is_empty() {
            let what = if source.user.is_some() { "password" } else { "user and password" };
            let names = source.variables.join(", ");
            self.notes.push(format!(
                "{label}: {what} not taken over: {names} is a variable, and weir.toml has none; \
                 use `password` or `password_file`"
            ));
        }
        self.notes.extend(remarks.into_iter().map(|remark| format!("{label}: {remark}")));
    }

    /// The `[[camera]]` of a stream, and its new name if it needs one.
    fn section(
        &self,
        name: &str,
        label: &str,
        source: &ImportedSource,
    ) -> Result<(String, Option<String>), String> {
        if self.taken >= CAMERAS_MAX {
            return Err(format!("this weir has room for {CAMERAS_MAX} cameras"));
        }
        let new_name = name_problem(name).map(|_| self.allowed_name(name));
        let mut section =
            format!("\n[[camera]]\nname = {}", quoted(new_name.as_deref().unwrap_or(name)));
        if new_name.is_some() {
            let _ = write!(section, " # {label} in {}", self.kind);
        }
        let _ = write!(section, "\nurl = {}\n", quoted(&source.url));
        if let Some(user) = &source.user {
            let _ = writeln!(section, "user = {}", quoted(user));
        }
        if let Some(password) = &source.password {
            let _ = writeln!(section, "password = {}", quoted(password));
        }
        if let Some(fingerprint) = &source.fingerprint {
            let _ = writeln!(section, "tls_fingerprint = \"{fingerprint}\"");
        }
        if !source.variables.is_empty() {
            let names = source.variables.join(", ");
            let _ = writeln!(section, "# the rest of its login was {names} in {}", self.kind);
        }
        let loaded = config::parse(&format!("{VERSION_LINE}{section}"), Path::new(""));
        if let Some(problem) = loaded.problems.first() {
            let why = problem.message.split_once(": ").map_or(&*problem.message, |(_, why)| why);
            return Err(format!("weir would refuse it: {why}"));
        }
        if self.text.len() + section.len() > CONFIG_BYTES_MAX {
            return Err(format!("a weir.toml has at most {CONFIG_BYTES_MAX} bytes"));
        }
        Ok((section, new_name))
    }

    /// An allowed name that is not taken yet, as close to `name` as possible.
    fn allowed_name(&self, name: &str) -> String {
        let fits = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
        let mut base: String = name
            .chars()
            .map(|char| if fits(char) { char } else { '-' })
            .take(CAMERA_NAME_BYTES_MAX - 4)
            .collect();
        base = base.trim_matches('-').to_owned();
        if name_problem(&base).is_some() {
            base = format!("camera-{base}").trim_end_matches(['-', '.']).to_owned();
            base.truncate(CAMERA_NAME_BYTES_MAX - 4);
        }
        if !self.names.contains(&base) {
            return base;
        }
        // Ends, since fewer names are taken than there are numbers.
        (2..)
            .map(|number| format!("{base}-{number}"))
            .find(|name| !self.names.contains(name))
            .expect("numbers do not end")
    }
}

/// `text` as a TOML string.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            char if char.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> Found {
        let source = super::super::source::rtsp("rtsp://192.0.2.7/");
        Found { name: name.to_owned(), source, remarks: Vec::new() }
    }

    fn names(wished: &[&str]) -> Vec<String> {
        let streams: Vec<Found> = wished.iter().map(|name| found(name)).collect();
        let mut fragment = ConfigFragment::of(ImportKind::Go2rtc, &streams);
        for stream in streams {
            fragment.add(stream);
        }
        let loaded = config::parse(&fragment.text, Path::new(""));
        assert_eq!(loaded.problems, [], "{}", fragment.text);
        loaded.config.cameras.into_iter().map(|camera| camera.name).collect()
    }

    #[test]
    fn names_that_weir_does_not_take_are_changed_and_the_others_are_not() {
        assert_eq!(names(&["gate.1", "Yard_2"]), ["gate.1", "Yard_2"]);
        assert_eq!(
            names(&["a/b", "Tür", "-x-", "api", "..", "", "日本"]),
            ["a-b", "T-r", "x", "camera-api", "camera", "camera-2", "camera-3"]
        );
        assert_eq!(names(&["a/b", "a b", "a-b"]), ["a-b-2", "a-b-3", "a-b"]);
        let long = "x".repeat(200);
        let made = names(&[&long, &format!("{long}y")]);
        assert_eq!(made[0].len(), CAMERA_NAME_BYTES_MAX - 4);
        assert!(made[1].ends_with("-2"), "{made:?}");
    }

    #[test]
    fn a_line_break_in_a_name_writes_no_line() {
        assert_eq!(names(&["a\n[http]\nopen = true"]), ["a--http--open---true"]);
    }

    #[test]
    fn strings_come_back_as_they_were() {
        let mut stream = found("gate");
        let odd = "q\"uo\\te'#é";
        if let Ok(source) = &mut stream.source {
            source.user = Some("u".to_owned());
            source.password = Some(odd.to_owned());
        }
        let mut fragment = ConfigFragment::of(ImportKind::MediaMtx, &[]);
        fragment.add(stream);
        let loaded = config::parse(&fragment.text, Path::new(""));
        assert_eq!(loaded.problems, []);
        assert_eq!(loaded.config.cameras[0].password.reveal(), odd);
    }

    #[test]
    fn one_camera_too_many_stays_behind() {
        let names: Vec<String> = (0..=CAMERAS_MAX).map(|n| format!("c{n}")).collect();
        let mut fragment = ConfigFragment::of(ImportKind::MediaMtx, &[]);
        for name in &names {
            fragment.add(found(name));
        }
        assert_eq!(fragment.taken, CAMERAS_MAX);
        let note =
            format!("c{CAMERAS_MAX}: not taken over: this weir has room for {CAMERAS_MAX} cameras");
        assert_eq!(fragment.notes, [note]);
    }

    #[test]
    fn what_does_not_fit_a_configuration_stays_behind() {
        let mut fragment = ConfigFragment::of(ImportKind::MediaMtx, &[]);
        fragment.text.push_str(&"#".repeat(CONFIG_BYTES_MAX - fragment.text.len() - 60));
        fragment.add(found("gate"));
        assert_eq!(fragment.taken, 1, "{:?}", fragment.notes);
        fragment.add(found("yard"));
        assert_eq!(fragment.taken, 1);
        assert!(fragment.notes[0].contains("bytes"), "{:?}", fragment.notes);
        assert!(fragment.text.len() <= CONFIG_BYTES_MAX);
    }
}
