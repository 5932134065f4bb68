//! `[console]`: the serial line of the console, and its password. A mistake never grants access:
//! without a usable password, weir asks for the one that it made itself.

use std::path::PathBuf;

use super::place::{Problems, Severity};
use super::section::{At, TomlSection};
use crate::access::PasswordHash;
use crate::limits::{CONSOLE_BAUD_DEFAULT, CONSOLE_BAUD_MAX, CONSOLE_BAUD_MIN};

/// The `[console]` section: the serial line and the password of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// The serial device, like `/dev/ttyS0`; `None` for no serial console.
    pub device: Option<PathBuf>,
    /// Speed in baud, [`CONSOLE_BAUD_MIN`] to [`CONSOLE_BAUD_MAX`].
    pub baud: u32,
    /// Hash of the console's password; `None` for the password that weir makes itself.
    pub password: Option<PasswordHash>,
}

impl Default for Console {
    fn default() -> Self {
        Self { device: None, baud: CONSOLE_BAUD_DEFAULT, password: None }
    }
}

/// Reads `device`, `baud` and `password`.
pub(super) fn read(mut section: TomlSection, console: &mut Console, problems: &mut Problems) {
    match section.text("device") {
        Ok(Some(text)) if !text.value.starts_with('/') => {
            let message = "`device` in [console] is not a path like \"/dev/ttyS0\"".to_owned();
            problems.note(text.offset, Severity::Warning, message);
        }
        Ok(text) => console.device = text.map(|text| PathBuf::from(text.value)),
        Err(At { value, offset }) => problems.note(offset, Severity::Warning, value),
    }
    let default = usize::try_from(console.baud).unwrap_or(CONSOLE_BAUD_MAX);
    let baud = section.count("baud", CONSOLE_BAUD_MIN..=CONSOLE_BAUD_MAX, default, problems);
    console.baud = u32::try_from(baud).unwrap_or(CONSOLE_BAUD_DEFAULT);
    match section.text("password") {
        Ok(None) => {}
        Ok(Some(text)) => match PasswordHash::parse(text.value) {
            Ok(hash) => console.password = Some(hash),
            Err(problem) => {
                let message = format!("`password` in [console] {problem}: weir's own is asked for");
                problems.note(text.offset, Severity::Warning, message);
            }
        },
        Err(At { value, offset }) => problems.note(offset, Severity::Warning, value),
    }
    section.finish(problems);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::parse;
    use super::*;

    fn read(text: &str) -> (Console, Vec<String>) {
        let text = format!("config_version = 1\n[console]\n{text}");
        let loaded = parse(&text, Path::new("/etc/weir"));
        let problems = loaded.problems.iter().map(ToString::to_string).collect();
        (loaded.config.console, problems)
    }

    #[test]
    fn a_device_has_the_usual_speed_unless_it_has_another() {
        let (console, problems) = read("device = \"/dev/ttyS0\"");
        assert_eq!(console.device.as_deref(), Some(Path::new("/dev/ttyS0")));
        assert_eq!((console.baud, console.password, problems), (115_200, None, vec![]));
        assert_eq!(read("baud = 1500000").0.baud, 1_500_000);
        assert_eq!(read("").0, Console::default());
    }

    #[test]
    fn mistakes_are_named_and_open_nothing() {
        for (text, says) in [
            ("device = \"ttyS0\"", "`device` in [console] is not a path"),
            ("device = 1", "`device` in [console] must be a string"),
            ("baud = 300", "`baud` in [console] is 300, not in 1200 to 4000000"),
            (
                "password = \"hunter2\"",
                "`password` in [console] is not what `weir password` prints",
            ),
            ("passwort = 1", "unknown key `passwort` in [console]"),
        ] {
            let (console, problems) = read(text);
            assert_eq!(console, Console::default(), "{text}");
            assert!(problems.len() == 1 && problems[0].contains(says), "{problems:?}");
        }
    }
}
