//! The report for support: everything that a helper needs to know, without secrets. The console's
//! `report`, and a file that an operator downloads.

use super::api::{Pieces, cameras_text, one_after_another, sessions_text, status_text, whole};
use super::content::PIECE_ITEMS;
use crate::control::{Control, ListPosition};
use crate::journal::lines;
use crate::{clock, plan, process};

/// The report, piece by piece.
pub(crate) async fn report(control: &Control) -> Pieces {
    let configuration = control.configuration_text().await.unwrap_or_else(|why| why + "\n");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (now, kernel) = (clock::utc(clock::now_us()), kernel.trim());
    let head = format!("report of weir {}\nat {now}, linux {kernel}\n", process::version());
    let mut parts = vec![whole(head)];
    let mut part = |title: &str, pieces: Pieces| {
        parts.extend([whole(format!("\n--- {title}\n")), pieces, whole("\n")]);
    };
    if control.is_box() {
        let slots = control.slots().await;
        let text = slots.map(|slots| serde_json::json!(slots).to_string());
        part("box", whole(text.unwrap_or_else(|error| error.to_string())));
    }
    part("status", whole(status_text(&control.report())));
    let (cameras, mut camera) = (control.clone(), 0);
    let more = move || cameras.cameras_from(&mut camera, PIECE_ITEMS);
    part("cameras", cameras_text(&control.configuration(), more));
    let (sessions, mut session) = (control.clone(), ListPosition::default());
    part("sessions", sessions_text(move || sessions.sessions_from(&mut session, PIECE_ITEMS)));
    part("addresses", whole(control.urls().join("\n")));
    part("memory", whole(plan::table()));
    part("configuration, without secrets", whole(configuration));
    let mut lines = lines::since(0).lines.into_iter();
    part("log", Box::new(move || lines.next().map(|line| format!("{line}\n"))));
    parts.push(whole("--- end of the report\n"));
    one_after_another(parts)
}
