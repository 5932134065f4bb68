//! Parses commands as they are typed: words separated by blanks, with `"…"` around a word that
//! contains blanks.

use serde_json::json;

use crate::config::NewCamera;
use crate::storage::Secret;

/// A console command, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsoleCommand {
    /// `status`: everything at a glance; with `json`, the content of `/api/status`.
    Status {
        /// Print JSON for a script.
        json: bool,
    },
    /// `cameras`: one line per camera; with `json`, the content of `/api/cameras`.
    Cameras {
        /// Print JSON for a script.
        json: bool,
    },
    /// `camera NAME`: the details of one camera.
    Camera(String),
    /// `camera add`: adds a camera to the configuration.
    CameraAdd(NewCamera),
    /// `camera remove NAME`: removes it from the configuration.
    CameraRemove(String),
    /// `camera test`: connects once to a camera, named or given by its URL. The URL may contain a
    /// login, so it is a secret.
    CameraTest(Secret),
    /// `camera trust NAME`: takes the certificate that the camera shows next for its own.
    CameraTrust(String),
    /// `sessions`: one line per session; with `json`, the content of `/api/sessions`.
    Sessions {
        /// Print JSON for a script.
        json: bool,
    },
    /// `end ID`: ends the session with this id.
    End(u64),
    /// `memory`: memory against its plan, and how full tables are.
    Memory,
    /// `net`: addresses, links and traffic counters.
    Net,
    /// `log`: the last lines of the log.
    Log {
        /// Go on with new lines, until `^C`.
        follow: bool,
    },
    /// `tls`: the certificate's fingerprint, names and dates.
    Tls,
    /// `password reset`: a new password for the console, or for the user of this name.
    PasswordReset(Option<String>),
    /// `config show`: the configuration without secrets.
    ConfigShow,
    /// `config reload`: reads the configuration file again; with `json`, the result is as
    /// `/api/reload` returns it.
    ConfigReload {
        /// Print JSON for a script.
        json: bool,
    },
    /// `selftest`: what this box can carry, measured with a small load beside what it does.
    Selftest,
    /// `report`: everything that a helper needs to know, without secrets.
    Report,
    /// A command for the box itself.
    Box(BoxCommand),
    /// `version`: which build this is.
    Version,
    /// `help`: the list of commands.
    Help,
    /// `help box`: the list of those for a box of weir's image.
    HelpBox,
    /// `exit`: leaves the console.
    Exit,
}

/// A command for the box itself, on a box of weir's image; `reboot` anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoxCommand {
    /// `slots`: the box's slots and its state.
    Slots,
    /// `update FILE`: installs a bundle that lies on the partition for presets.
    Update(String),
    /// `net set …`: the settings of the network, as JSON.
    NetSet(serde_json::Value),
    /// `hostname NAME`: the box's name.
    HostName(String),
    /// `rollback`, `factory-reset`, `reboot`, `power-off`.
    Confirm(BoxChange),
}

/// What is done to the box only after a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxChange {
    /// Restarts it.
    Reboot,
    /// Switches it off.
    PowerOff,
    /// Starts its other slot.
    Rollback,
    /// Forgets everything; asked once, the second question follows.
    FactoryReset,
    /// Forgets everything, asked twice.
    FactoryResetIndeed,
}

impl BoxChange {
    /// What the person is asked.
    pub(super) fn question(self) -> &'static str {
        match self {
            Self::Reboot | Self::PowerOff => "the pictures stop; type yes: ",
            Self::Rollback => "the box restarts into the other slot; type yes: ",
            Self::FactoryReset => "cameras, users, network and name are forgotten; type yes: ",
            Self::FactoryResetIndeed => "there is no way back; type forget: ",
        }
    }

    /// The only answer that confirms it.
    pub(super) fn word(self) -> &'static str {
        if self == Self::FactoryResetIndeed { "forget" } else { "yes" }
    }
}

/// The text of `help`, which fits one screen.
pub(super) const HELP: &str = "\
status                         everything at a glance (--json for scripts)
cameras                        a line for each camera (--json)
camera NAME                    one camera
camera add NAME URL [USER]     adds a camera; its password is asked for
camera remove NAME             removes a camera
camera test NAME|URL           connects once and says what it found
camera trust NAME              takes its new certificate for its own
sessions                       lists the sessions (--json)
end ID                         ends a session; `sessions` has its id
memory                         memory against its plan, and how full tables are
net                            addresses, cables, what was dropped
log [follow]                   the last lines of the log; follow: and new ones
tls                            the certificate's fingerprint
password reset [USER]          a new password for this console, or for a user
config show                    the configuration, without secrets
config reload                  reads the configuration again (--json)
report                         all of this for support, without secrets
selftest                       loads this box for 20 s: what can it carry
reboot                         restarts the box
version                        which build this is
help box                       the commands for the box itself
exit                           leaves (^D)
Keys: Tab completes, ^A ^E begin and end, ^U ^K ^W delete, ^L redraws, ^C ends.";

/// The text of `help box`.
pub(super) const BOX_HELP: &str = "\
slots                          the slots, and what was tried with them
update FILE                    installs an update from the partition WEIR
rollback                       starts the other slot
net set dhcp                   an address from the network
net set ADDRESS [GATEWAY] [DNS]  a fixed one, as 192.0.2.7/24
hostname NAME                  the box's name
factory-reset                  forgets everything; asks twice
power-off                      switches the box off";

impl ConsoleCommand {
    /// Parses a typed line.
    ///
    /// # Errors
    /// A sentence for the person: a quote is not closed, or as for [`ConsoleCommand::of`].
    pub fn parse(line: &str) -> Result<Self, String> {
        let words = words(line)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Self::of(&words)
    }

    /// Parses the words of a command, as `weir console` sends them.
    ///
    /// # Errors
    /// A sentence for the person: the command is unknown, or its correct usage.
    pub fn of(words: &[&str]) -> Result<Self, String> {
        Ok(match *words {
            ["status"] => Self::Status { json: false },
            ["status", "--json"] => Self::Status { json: true },
            ["cameras"] => Self::Cameras { json: false },
            ["cameras", "--json"] => Self::Cameras { json: true },
            ["sessions"] => Self::Sessions { json: false },
            ["sessions", "--json"] => Self::Sessions { json: true },
            ["end", id] => {
                Self::End(id.parse().map_err(|_| "end ID, a number that `sessions` has")?)
            }
            ["end", ..] => return Err("end ID".to_owned()),
            ["camera", "add", name, url] => Self::CameraAdd(new_camera(name, url, None)),
            ["camera", "add", name, url, user] => {
                Self::CameraAdd(new_camera(name, url, Some(user.to_owned())))
            }
            ["camera", "add", ..] => return Err("camera add NAME URL [USER]".to_owned()),
            ["camera", "remove", name] => Self::CameraRemove(name.to_owned()),
            ["camera", "remove", ..] => return Err("camera remove NAME".to_owned()),
            ["camera", "test", which] => Self::CameraTest(Secret::new(which.to_owned())),
            ["camera", "test", ..] => return Err("camera test NAME or camera test URL".to_owned()),
            ["camera", "trust", name] => Self::CameraTrust(name.to_owned()),
            ["camera", "trust", ..] => return Err("camera trust NAME".to_owned()),
            ["camera", name] => Self::Camera(name.to_owned()),
            ["camera", ..] => {
                return Err("camera NAME, camera add, remove, test or trust".to_owned());
            }
            ["memory"] => Self::Memory,
            ["net"] => Self::Net,
            ["net", "set", ref words @ ..] => Self::Box(BoxCommand::NetSet(network(words)?)),
            ["net", ..] => return Err(NET_SET.to_owned()),
            ["log"] => Self::Log { follow: false },
            ["log", "follow"] => Self::Log { follow: true },
            ["tls"] => Self::Tls,
            ["password", "reset"] => Self::PasswordReset(None),
            ["password", "reset", user] => Self::PasswordReset(Some(user.to_owned())),
            ["password", ..] => return Err("password reset [USER]".to_owned()),
            ["config", "show"] => Self::ConfigShow,
            ["config", "reload"] => Self::ConfigReload { json: false },
            ["config", "reload", "--json"] => Self::ConfigReload { json: true },
            ["config", ..] => return Err("config show or config reload".to_owned()),
            ["report"] => Self::Report,
            ["selftest"] => Self::Selftest,
            ["slots"] => Self::Box(BoxCommand::Slots),
            ["update", file] => Self::Box(BoxCommand::Update(file.to_owned())),
            ["update", ..] => return Err("update FILE, a bundle on the partition WEIR".to_owned()),
            ["hostname", name] => Self::Box(BoxCommand::HostName(name.to_owned())),
            ["hostname", ..] => return Err("hostname NAME".to_owned()),
            ["rollback"] => Self::Box(BoxCommand::Confirm(BoxChange::Rollback)),
            ["factory-reset"] => Self::Box(BoxCommand::Confirm(BoxChange::FactoryReset)),
            ["power-off"] => Self::Box(BoxCommand::Confirm(BoxChange::PowerOff)),
            ["reboot"] => Self::Box(BoxCommand::Confirm(BoxChange::Reboot)),
            ["version"] => Self::Version,
            ["help", "box"] => Self::HelpBox,
            ["help" | "?", ..] => Self::Help,
            ["exit" | "logout" | "quit"] => Self::Exit,
            // The line is not repeated: it may be a password typed at the wrong prompt.
            _ => return Err("unknown command; `help` names them".to_owned()),
        })
    }
}

const NET_SET: &str = "net set dhcp, or net set ADDRESS/BITS [GATEWAY] [DNS]";

/// The settings that `net set` has, as weir-init takes and judges them.
fn network(words: &[&str]) -> Result<serde_json::Value, String> {
    Ok(match *words {
        ["dhcp"] => json!({ "mode": "dhcp" }),
        [address] => json!({ "mode": "static", "address": address }),
        [address, gateway] => json!({ "mode": "static", "address": address, "gateway": gateway }),
        [address, gateway, dns] => {
            json!({ "mode": "static", "address": address, "gateway": gateway, "dns": [dns] })
        }
        _ => return Err(NET_SET.to_owned()),
    })
}

fn new_camera(name: &str, url: &str, user: Option<String>) -> NewCamera {
    let (name, url) = (name.to_owned(), Secret::new(url.to_owned()));
    NewCamera { name, url, user, password: Secret::default() }
}

/// Splits a line into words; a `"` without a second one is an error.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a \" has no other one")?,
            None => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{CONSOLE_COLUMNS, CONSOLE_PROMPT_COLUMNS_MAX, CONSOLE_ROWS};

    #[test]
    fn questions_are_shown_to_their_end() {
        use BoxChange::{FactoryReset, FactoryResetIndeed, PowerOff, Reboot, Rollback};
        for change in [Reboot, PowerOff, Rollback, FactoryReset, FactoryResetIndeed] {
            assert!(change.question().len() <= CONSOLE_PROMPT_COLUMNS_MAX, "{change:?}");
        }
    }

    #[test]
    fn commands_are_what_help_says() {
        let lines = HELP.lines().chain(BOX_HELP.lines());
        for line in lines.filter(|line| !line.starts_with("Keys:")) {
            let usage = line.split("  ").next().unwrap_or_default();
            for form in [
                usage.replace("NAME|URL", "NAME").replace(" ID", " 17"),
                usage.split(" [").next().unwrap_or_default().replace(" ID", " 17"),
            ] {
                let typed = form.replace(['[', ']'], "");
                assert!(ConsoleCommand::parse(&typed).is_ok(), "{typed}");
            }
            assert!(line.len() < CONSOLE_COLUMNS, "{line}");
        }
        assert!(HELP.lines().count() < CONSOLE_ROWS);
    }

    #[test]
    fn words_may_have_blanks_in_quotes() {
        let words = |line| words(line).map_err(|_| ());
        let owned = |list: &[&str]| Ok(list.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(words("  camera   add gate "), owned(&["camera", "add", "gate"]));
        assert_eq!(words("a \"b c\" \"\""), owned(&["a", "b c", ""]));
        assert_eq!(words("a \"b"), Err(()));
        assert_eq!(words(""), owned(&[]));
    }

    #[test]
    fn what_is_no_command_is_not_repeated() {
        let error = ConsoleCommand::parse("correct horse").expect_err("no command");
        assert!(!error.contains("horse"));
        assert!(
            !format!("{:?}", ConsoleCommand::parse("camera add a rtsp://u:secret@h/"))
                .contains("secret")
        );
        assert!(
            !format!("{:?}", ConsoleCommand::parse("camera test rtsp://u:secret@h/"))
                .contains("secret")
        );
    }
}
