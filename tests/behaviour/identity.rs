//! Which build this is, told the same everywhere; and how it is.

use std::process::Command;

use serde_json::Value;

use crate::common::fixture::Fixture;
use crate::common::process::Usage;
use crate::common::server::{Server, wait_for};

fn program(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).output();
    String::from_utf8(output.expect("the program runs").stdout).expect("text")
}

fn table(server: &Server, what: &str) -> Value {
    let status = server.tell("status");
    let tables = status["tables"].as_array().expect("a list").clone();
    tables.into_iter().find(|table| table["what"] == what).expect("it is listed")
}

#[test]
fn version_status_metric_and_log_name_the_linkers_build_id() {
    let readelf = Command::new("readelf").args(["-n", env!("CARGO_BIN_EXE_weir")]).output();
    let notes = String::from_utf8(readelf.expect("binutils").stdout).expect("text");
    let (_, id) = notes.split_once("Build ID: ").expect("the linker wrote one");
    let id = id.split_whitespace().next().expect("an id");
    let fixture = Fixture::open();
    let status = fixture.server.tell("status");
    assert_eq!(status["schema"], 1);
    assert_eq!(status["build_id"], id);
    let word = |key: &str| status[key].as_str().expect("text").to_owned();
    let (version, commit, profile) = (word("version"), word("commit"), word("profile"));
    let line = format!("{version} ({commit}, {profile}, build id {id})");
    assert_eq!(program(&["--version"]).trim(), format!("weir {line}"));
    let log = fixture.server.log();
    assert_eq!(log.lines().next(), Some(&*format!("[INFO ] weir {line}")));
    let metric = format!(
        "weir_build_info{{version=\"{version}\",commit=\"{commit}\",profile=\"{profile}\",\
         build_id=\"{id}\"}} 1"
    );
    assert!(fixture.server.metrics().lines().any(|line| line == metric), "{metric}");
}

#[test]
fn the_status_counts_tables_and_memory() {
    let fixture = Fixture::open();
    let viewer = fixture.viewer();
    let sessions = table(&fixture.server, "sessions");
    assert_eq!((&sessions["used"], &sessions["most"]), (&1.into(), &1.into()), "{sessions}");
    assert_eq!(sessions["full"], 0);
    assert_eq!(table(&fixture.server, "subscriptions")["used"], 1);
    assert_eq!(table(&fixture.server, "handshakes")["most"], 1);
    assert_eq!(table(&fixture.server, "addresses")["used"], 1);
    assert_eq!(table(&fixture.server, "http bodies")["most"], 1);
    assert_eq!(table(&fixture.server, "commands")["used"], 0, "media has obeyed");
    assert_eq!(table(&fixture.server, "handshake datagrams")["used"], 0, "control has read them");
    viewer.delete().expect("weir answers");
    let is_gone = || table(&fixture.server, "sessions")["used"] == 0;
    assert!(wait_for(2_000_000, is_gone));
    assert_eq!(table(&fixture.server, "sessions")["most"], 1);

    let status = fixture.server.tell("status");
    let memory = &status["memory"];
    let bytes = |value: &Value| value.as_u64().expect("a number");
    let usage = Usage::of(fixture.server.pid()).expect("it runs");
    assert!(bytes(&memory["resident_bytes"]).abs_diff(usage.resident_kib * 1024) < 256 * 1024);
    assert!(bytes(&memory["resident_most_bytes"]) >= bytes(&memory["resident_bytes"]));
    assert!(bytes(&memory["arena_bytes"]) < bytes(&memory["plan_bytes"]));
    let heap = &memory["library_heap"];
    assert!(
        0 < bytes(&heap["used_bytes"]) && bytes(&heap["used_bytes"]) <= bytes(&heap["most_bytes"])
    );
    assert!(bytes(&heap["most_bytes"]) < bytes(&heap["region_bytes"]));
}
