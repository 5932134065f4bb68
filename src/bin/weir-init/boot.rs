//! From the first line to weir's start, in order. Whatever fails is said and left out.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use weir::appliance::trial::Trial;
use weir::clock;
use weir::process::privileges::Successor;
use weir::storage::FileOwner;

use super::board::Board;
use super::data::DataFolder;
use super::disk::SlotDisk;
use super::init::Init;
use super::network::Network;
use super::program::WeirProgram;
use super::requests::RequestListener;
use super::supervisor::Supervisor;
use super::timekeeper::{self, Timekeeper};
use super::update_job::UpdateState;
use super::watchdog::HardwareWatchdog;
use super::{kernel, presets};

/// Brings the box up, until weir is about to be started.
pub(crate) fn boot() -> Init {
    let began_us = clock::now_us();
    let board = Board::read();
    kernel::load_modules();
    let mut watchdog = HardwareWatchdog::arm(board.watchdog_s);
    let mut feed = || {
        if let Some(watchdog) = &mut watchdog {
            watchdog.feed();
        }
    };
    kernel::set_settings();
    timekeeper::set_at_least(board.built_s, "the build's time");
    feed();
    let mut disk = SlotDisk::find(&board, &mut feed);
    feed();
    let owner = weir_user();
    let data = DataFolder::open(disk.as_ref(), owner);
    timekeeper::set_at_least(data.newest_s(), "the newest file's time");
    feed();
    let presets = presets::apply(disk.as_ref(), &data);
    feed();
    data.prepare();
    let was_reset = watchdog.as_ref().is_some_and(|watchdog| watchdog.was_reset);
    if let Some(disk) = &mut disk {
        disk.notice_rollback(was_reset);
    }
    if let Some(serial) = board.serial_path() {
        hand_over(&serial, owner);
    }
    let settings = data.settings();
    let timekeeper = Timekeeper::start(board.built_s);
    let network = Network::start(settings, timekeeper);
    let program = WeirProgram::new(board.serial.clone());
    let now_us = clock::now_us();
    let trial = match disk.as_ref().and_then(SlotDisk::trial_played) {
        Some(played) => Trial::of_update(played, now_us).within_us(board.trial_us),
        None => Trial::of_boot(now_us),
    };
    log::info!("up after {} ms", (now_us - began_us) / 1000);
    Init {
        supervisor: Supervisor::new(program, data.last_lines(), trial, now_us),
        requests: RequestListener::open(owner),
        updates: UpdateState::new(presets.bundles),
        board,
        watchdog,
        disk,
        data,
        network,
        ending: None,
        has_grown: false,
    }
}

/// The user that weir becomes; root owns its files where there is none.
fn weir_user() -> Option<FileOwner> {
    Successor::of(None).owner()
}

/// weir opens its serial line again as its own user when a cable's adapter comes back.
fn hand_over(serial: &Path, owner: Option<FileOwner>) {
    let Some(owner) = owner else { return };
    let mode = fs::Permissions::from_mode(0o660);
    let given =
        chown(serial, None, Some(owner.gid)).and_then(|()| fs::set_permissions(serial, mode));
    if let Err(error) = given {
        log::warn!("{}: {error}", serial.display());
    }
}
