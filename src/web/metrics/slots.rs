//! A box's slots in `/metrics`: what runs, what is on trial, and what was given up.

use std::fmt::Write as _;

use super::{escaped, head};
use crate::appliance::request::{SlotReport, SlotsReport};

/// Writes the figures of a box; of weir beside other programs there are none.
pub(super) fn write(text: &mut String, report: &SlotsReport) -> std::fmt::Result {
    let SlotsReport { board, running, slots, update, good, reset_by_watchdog, .. } = report;
    let name = "weir_box_info";
    head(text, name, "gauge", "1, with the board and the slot that runs.")?;
    writeln!(text, "{name}{{board=\"{}\",running=\"{running}\"}} 1", label(board))?;
    let name = "weir_box_slot";
    head(
        text,
        name,
        "gauge",
        "1 of each slot of a box, with what is in it and what became of it.",
    )?;
    for SlotReport { slot, version, build, state, .. } in slots {
        let [version, build] = [version, build].map(|text| label(text.as_deref().unwrap_or("")));
        let state = state.name();
        writeln!(
            text,
            "{name}{{slot=\"{slot}\",version=\"{version}\",build=\"{build}\",state=\"{state}\"}} 1"
        )?;
    }
    let name = "weir_box_slot_tries_left";
    head(text, name, "gauge", "Starts that a slot has left before the other one is taken.")?;
    for SlotReport { slot, tries_left, .. } in slots {
        writeln!(text, "{name}{{slot=\"{slot}\"}} {tries_left}")?;
    }
    for (name, help, is_so) in [
        ("weir_box_good", "1 once what runs has carried media for a while.", *good),
        ("weir_box_update_on_trial", "1 while an update is not good yet.", update.is_some()),
        (
            "weir_box_reset_by_watchdog",
            "1 if the watchdog reset the box before this start.",
            *reset_by_watchdog,
        ),
    ] {
        head(text, name, "gauge", help)?;
        writeln!(text, "{name} {}", u8::from(is_so))?;
    }
    Ok(())
}

fn label(text: &str) -> Box<str> {
    escaped(text.to_owned())
}
