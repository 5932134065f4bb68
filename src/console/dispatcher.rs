//! Answers console commands with what control knows, as text. An answer is made piece by piece
//! while it is sent, so that a long list on a slow line costs one piece of memory.

use std::rc::Rc;

use super::appliance;
use super::command::{BOX_HELP, ConsoleCommand, HELP};
use super::password::{self, PasswordDialog, Verdict};
use super::response::{Prompt, Response, Then};
use super::screens;
use super::selftest;
use crate::config::{Camera, Edit, NewCamera};
use crate::control::{Control, ListPosition};
use crate::journal::lines::{self, LogLine};
use crate::limits::RTSP_PASSWORD_BYTES_MAX;
use crate::process;
use crate::rtp::picture::Picture;
use crate::storage::Secret;
use crate::web::{self, PIECE_ITEMS, Pieces, one_after_another, whole};

/// Answers commands. Cheap to clone; stays on one thread.
#[derive(Clone)]
pub(super) struct Dispatcher(Rc<Inner>);

struct Inner {
    control: Control,
    password: PasswordDialog,
}

impl Dispatcher {
    pub(super) fn new(control: Control) -> Self {
        let password = PasswordDialog::read(control.guard().folder());
        Self(Rc::new(Inner { control, password }))
    }

    /// The text before the login: state, addresses and URLs. On a serial line (`is_cable`) also the
    /// first password, as long as it is unused.
    pub(super) fn banner(&self, is_cable: bool) -> String {
        let control = &self.0.control;
        let report = control.report();
        let mut text = format!(
            "weir {} on {}: {}\n",
            report.version,
            control.host_name(),
            screens::sentence(&report, control.camera_count())
        );
        for link in report.network.links.iter().filter(|link| link.name != "lo") {
            let addresses: Vec<String> = link.addresses.iter().map(ToString::to_string).collect();
            let addresses =
                if addresses.is_empty() { "no address".to_owned() } else { addresses.join(", ") };
            text += &format!("{} ({}): {addresses}\n", link.name, link.state);
        }
        for url in control.urls() {
            text += &format!("open {url}\n");
        }
        if let Some(first) = self.0.password.first(control).filter(|_| is_cable) {
            text +=
                &format!("the first password is {}, shown until its first use\n", first.reveal());
        }
        text
    }

    /// Checks a password typed at the console.
    pub(super) async fn judge(&self, typed: Secret) -> Verdict {
        self.0.password.judge(&self.0.control, typed).await
    }

    /// Runs a command and returns its answer.
    pub(super) async fn answer(&self, command: ConsoleCommand) -> Response {
        let control = self.0.control.clone();
        match command {
            ConsoleCommand::Status { json } => Response::text(self.status(json)),
            ConsoleCommand::Cameras { json } => Response::of(self.cameras(json), Then::Next),
            ConsoleCommand::Sessions { json } => Response::of(self.sessions(json), Then::Next),
            ConsoleCommand::End(id) => {
                let ended = control.end_by_id(id);
                Response::result(ended.map(|()| format!("session {id} is ended\n")))
            }
            ConsoleCommand::Camera(name) => Response::result(self.camera(&name)),
            ConsoleCommand::CameraAdd(camera) if camera.user.is_some() => {
                Response::of(whole(""), Then::Ask(Prompt::CameraPassword(camera)))
            }
            ConsoleCommand::CameraAdd(camera) => self.add(camera).await,
            ConsoleCommand::CameraRemove(name) => self.edit(Edit::RemoveCamera(name)).await,
            ConsoleCommand::CameraTest(which) => self.test(which.reveal()).await,
            ConsoleCommand::CameraTrust(name) => Response::result(self.trust(&name)),
            ConsoleCommand::Memory => Response::text(screens::memory(&control.report())),
            ConsoleCommand::Net => Response::text(screens::net(&control.report(), &control.urls())),
            ConsoleCommand::Log { follow } => {
                let since = lines::since(0);
                let then = if follow { Then::Follow(since.next) } else { Then::Next };
                Response::of(log(since.lines), then)
            }
            ConsoleCommand::Tls => {
                Response::result(control.certificate().map(|facts| {
                    facts.map_or("TLS is off\n".to_owned(), |facts| facts.to_string())
                }))
            }
            ConsoleCommand::PasswordReset(user) => Response::result(self.reset(user).await),
            ConsoleCommand::ConfigShow => Response::result(control.configuration_text().await),
            ConsoleCommand::ConfigReload { json } => {
                let reloaded = control.reload().await;
                if json {
                    let is_failure = reloaded.is_err();
                    let said = format!("{}\n", web::reloaded_text(reloaded));
                    return Response { is_failure, ..Response::text(said) };
                }
                Response::result(
                    reloaded
                        .map(|done| screens::reloaded(&done))
                        .map_err(|error| error.to_string()),
                )
            }
            ConsoleCommand::Report => Response::of(web::report(&control).await, Then::Next),
            ConsoleCommand::Selftest => Response::result(selftest::selftest().await),
            ConsoleCommand::Box(command) => appliance::answer(&control, command).await,
            ConsoleCommand::HelpBox => Response::text(format!("{BOX_HELP}\n")),
            ConsoleCommand::Version => Response::text(format!("weir {}\n", process::version())),
            ConsoleCommand::Help => Response::text(format!("{HELP}\n")),
            ConsoleCommand::Exit => Response::of(whole(""), Then::Leave),
        }
    }

    /// Goes on with a command after the person's answer to its question.
    pub(super) async fn answer_prompt(&self, question: Prompt, answer: Secret) -> Response {
        match question {
            Prompt::CameraPassword(camera) => {
                if answer.reveal().len() > RTSP_PASSWORD_BYTES_MAX {
                    let max = RTSP_PASSWORD_BYTES_MAX;
                    return Response::failure(&format!(
                        "a camera's password has at most {max} bytes"
                    ));
                }
                self.add(NewCamera { password: answer, ..camera }).await
            }
            Prompt::Confirm(change) if answer.reveal() == change.word() => {
                appliance::change(&self.0.control, change).await
            }
            Prompt::Confirm(_) => Response::failure("nothing was done"),
        }
    }

    fn status(&self, json: bool) -> String {
        let control = &self.0.control;
        let report = control.report();
        if json {
            return format!("{}\n", web::status_text(&report));
        }
        let cameras = (control.camera_count(), control.cameras());
        screens::status(&report, &control.host_name(), cameras)
    }

    fn cameras(&self, json: bool) -> Pieces {
        let (control, mut next) = (self.0.control.clone(), 0);
        let configuration = control.configuration();
        let mut more = move || control.cameras_from(&mut next, PIECE_ITEMS);
        if json {
            return ended(web::cameras_text(&configuration, more));
        }
        rows(screens::CAMERA_HEAD, move || more().iter().map(screens::camera_row).collect())
    }

    fn sessions(&self, json: bool) -> Pieces {
        let (control, mut next) = (self.0.control.clone(), ListPosition::default());
        let mut more = move || control.sessions_from(&mut next, PIECE_ITEMS);
        if json {
            return ended(web::sessions_text(more));
        }
        rows(screens::SESSION_HEAD, move || more().iter().map(screens::session_row).collect())
    }

    fn camera(&self, name: &str) -> Result<String, String> {
        let control = &self.0.control;
        let section = control.camera(name).ok_or("there is no camera of this name")?;
        let status = control.cameras().find(|camera| camera.name == name);
        let status = status.ok_or("there is no camera of this name")?;
        let url =
            section.url.as_ref().map_or("none that can be used".to_owned(), ToString::to_string);
        Ok(screens::camera(&status, &url, section.user.as_deref()))
    }

    async fn add(&self, camera: NewCamera) -> Response {
        let name = camera.name.clone();
        let added = self.edit(Edit::AddCamera(camera)).await;
        if added.is_failure {
            return added;
        }
        let mut first = Some(added);
        let hint = format!("`camera test {name}` says what is to be had from it\n");
        let mut hint = Some(hint);
        let pieces = move || {
            let piece = first.as_mut().and_then(|answer| (answer.pieces)());
            piece.or_else(|| {
                first = None;
                hint.take()
            })
        };
        Response::of(Box::new(pieces), Then::Next)
    }

    async fn edit(&self, edit: Edit) -> Response {
        let done = self.0.control.edit(edit).await;
        Response::result(done.map(|done| screens::reloaded(&done)))
    }

    async fn test(&self, which: &str) -> Response {
        let control = &self.0.control;
        let camera: Rc<Camera> = match control.camera(which) {
            Some(camera) => camera,
            None if which.contains("://") => {
                let (name, url) = ("test".to_owned(), Secret::new(which.to_owned()));
                let new = NewCamera { name, url, user: None, password: Secret::default() };
                Rc::new(new.checked())
            }
            None => return Response::failure("there is no camera of this name"),
        };
        let found = match control.try_camera(&camera).await {
            Ok(found) => found,
            Err(why) => return Response::failure(&format!("no pictures: {why}")),
        };
        let mut text = format!(
            "it answers, and would send {} by {}; {} ms\n",
            found.codec, found.transport, found.took_ms
        );
        if let Some(Picture { profile, width, height }) = found.picture {
            if width > 0 {
                text += &format!("picture {width} x {height}\n");
            }
            text += &format!("profile and level {profile}\n");
        }
        if let Some(certificate) = found.certificate {
            text += &format!("certificate SHA-256 {certificate}\n");
        }
        text += &screens::findings(found.findings.iter());
        Response::text(text)
    }

    fn trust(&self, name: &str) -> Result<String, String> {
        let forgotten = self.0.control.trust_camera(name)?;
        Ok(format!("forgotten: SHA-256 {forgotten}; {name} is dialled with what it shows now\n"))
    }

    async fn reset(&self, user: Option<String>) -> Result<String, String> {
        let control = &self.0.control;
        let Some(user) = user else {
            let password = self.0.password.reset(control).await?;
            log::warn!("the console has a new password, as was asked for at the console");
            return Ok(format!("the console's password is now {}\n", password.reveal()));
        };
        let (password, hash) = password::made(control).await?;
        control.edit(Edit::UserPassword(user.clone(), hash)).await?;
        log::warn!("user {user} has a new password, as was asked for at the console");
        Ok(format!("the password of {user} is now {}\n", password.reveal()))
    }
}

fn log(lines: Vec<LogLine>) -> Pieces {
    let mut lines = lines.into_iter();
    Box::new(move || lines.next().map(|line| format!("{line}\n")))
}

/// `pieces`, followed by a line's end.
fn ended(pieces: Pieces) -> Pieces {
    one_after_another(vec![pieces, whole("\n")])
}

/// A head line, then rows until `more` returns none.
fn rows(head: &str, mut more: impl FnMut() -> Vec<String> + 'static) -> Pieces {
    let mut head = Some(head.to_owned());
    Box::new(move || {
        head.take().or_else(|| {
            let rows = more();
            (!rows.is_empty()).then(|| rows.concat())
        })
    })
}
