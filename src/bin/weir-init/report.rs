//! The box as `slots` shows it.

use weir::appliance::request::{BoxSlotState, SlotReport, SlotsReport, UpdateReport};
use weir::appliance::slot::SlotName;

use super::disk::SlotDisk;
use super::init::Init;

/// What there is to say of the box.
///
/// # Errors
/// A sentence for people: it has no slots.
pub(crate) fn slots(init: &Init) -> Result<SlotsReport, String> {
    let disk = init.disk.as_ref().ok_or("this box has no disk with slots: it runs from memory")?;
    let running = disk.running.ok_or("this box was not started from a slot")?;
    let watchdog = init.watchdog.as_ref();
    Ok(SlotsReport {
        board: init.board.name.clone(),
        running,
        order: disk.order.order(),
        slots: SlotName::ALL.map(|slot| slot_report(disk, running, slot)).into(),
        update: disk.order.update().map(|update| UpdateReport { slot: update.slot }),
        good: init.supervisor.is_good(),
        watchdog: watchdog.map(|watchdog| watchdog.report.clone()),
        reset_by_watchdog: watchdog.is_some_and(|watchdog| watchdog.was_reset),
        bytes_written: disk.bytes_written(),
        network: init.network.report(),
    })
}

fn slot_report(disk: &SlotDisk, running: SlotName, slot: SlotName) -> SlotReport {
    let header = disk.header(slot);
    let tries_left = disk.order.tries_left(slot);
    let state = match &header {
        _ if slot == running => BoxSlotState::Running,
        None => BoxSlotState::Empty,
        Some(_) if tries_left == 0 => BoxSlotState::GivenUp,
        Some(_) => BoxSlotState::Standby,
    };
    SlotReport {
        slot,
        version: header.as_ref().map(|header| header.version.to_string()),
        build: header.map(|header| header.build),
        tries_left,
        state,
        why: disk.order.why(slot).map(str::to_owned),
    }
}
