//! What the console does to the box itself, on a box of weir's own image: weir-init is asked for
//! it, after a confirmation where pictures stop or something is lost.

use super::command::{BoxChange, BoxCommand};
use super::response::Response;
use super::screens;
use crate::appliance::request::BoxRequest;
use crate::control::Control;
use crate::process;

/// Answers a command for the box.
pub(super) async fn answer(control: &Control, command: BoxCommand) -> Response {
    match command {
        BoxCommand::Slots => Response::result(slots(control).await),
        BoxCommand::Update(name) => {
            ask(control, BoxRequest::UpdateFrom { name }, "installed; the box restarts").await
        }
        BoxCommand::NetSet(settings) => {
            ask(control, BoxRequest::Network { settings }, "the network is set").await
        }
        BoxCommand::HostName(name) => {
            ask(control, BoxRequest::Hostname { name }, "the box has its new name").await
        }
        BoxCommand::Confirm(change) => Response::confirm(change),
    }
}

/// Does what was confirmed.
pub(super) async fn change(control: &Control, change: BoxChange) -> Response {
    log::warn!("{change:?}, as asked at the console");
    match change {
        BoxChange::FactoryReset => Response::confirm(BoxChange::FactoryResetIndeed),
        BoxChange::FactoryResetIndeed => {
            ask(control, BoxRequest::FactoryReset, "forgotten; the box restarts").await
        }
        BoxChange::Rollback => {
            ask(control, BoxRequest::Rollback, "the box restarts into the other slot").await
        }
        BoxChange::PowerOff => {
            ask(control, BoxRequest::PowerOff, "the box switches itself off").await
        }
        BoxChange::Reboot if control.is_box() => {
            ask(control, BoxRequest::Reboot, "the box restarts").await
        }
        BoxChange::Reboot => {
            let error = process::reboot();
            Response::failure(&format!(
                "weir cannot restart this box ({error}): it needs CAP_SYS_BOOT"
            ))
        }
    }
}

/// Asks weir-init; `done` is what is said when it has done it.
async fn ask(control: &Control, request: BoxRequest, done: &str) -> Response {
    let answer = control.ask_box(&request).await;
    Response::result(answer.map(|_| format!("{done}\n")).map_err(|error| error.to_string()))
}

async fn slots(control: &Control) -> Result<String, String> {
    let report = control.slots().await.map_err(|error| error.to_string())?;
    Ok(screens::slots(&report))
}
