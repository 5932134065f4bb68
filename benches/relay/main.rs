//! The bench: simulated cameras on one side, WHEP viewers on the other, weir as a process of its
//! own between them, everything on loopback. `scripts/bench` builds and runs it;
//! docs/performance.md says how to read it.
//!
//! What could not be measured is `null` in the JSON line and "not measured" in the table, with
//! the reason on a line of its own.

mod calls;
#[path = "../../tests/common/mod.rs"]
mod common;
mod connect;
mod floor;
mod load;
mod mediamtx;
mod outage;
mod report;
mod skips;
mod window;

use clap::Parser;

use common::camera::CameraFarm;
use common::server::{Server, Setup};
use load::Load;
use report::Report;
use skips::Skips;
use window::Relay;

const READY_US: u64 = 30_000_000;

fn main() {
    let load = Load::parse();
    if let Some(outage_s) = load.outage {
        print!("{}", outage::measure(&load, outage_s));
        return;
    }
    let mut report = measure(&load);
    if let Some(program) = &load.relay {
        match mediamtx::measure(&load, program) {
            Ok(relay) => report.relay = Some(Box::new(relay)),
            Err(reason) => report.not_measured.push(format!("MediaMTX: {reason}")),
        }
    }
    if load.floor {
        match floor::measure(&load) {
            Ok(figures) => report.floor = Some(figures),
            Err(reason) => report.not_measured.push(format!("floor: {reason}")),
        }
    }
    print!("{report}");
    println!("{}", report.json());
}

fn measure(load: &Load) -> Report {
    let farm = CameraFarm::open(load.mounts());
    let server = Server::start(&Setup::of(load.names().map(|name| {
        let url = farm.url(&name);
        (name, url)
    })));
    let ready = server.wait_until_ready(load.cameras as usize, READY_US);
    assert!(ready, "not every camera became ready:\n{}", server.get("/api/cameras").body);
    let relay = Relay { http: server.http, pid: server.pid(), edit_offer: |offer| offer };
    let (mut viewers, joined) = window::join(load, relay);
    let before = Skips::now(&server);
    let window = window::measure(load, &farm, relay, &mut viewers);
    let mut report = Report::new(load, joined, window);
    report.skips = Some(Skips::now(&server).since(&before));
    if load.syscalls {
        match calls::per_packet(load, &farm, &server, &mut viewers) {
            Ok((calls, tool)) => report.calls_per_packet = Some((calls, tool)),
            Err(reason) => report.not_measured.push(format!("system calls: {reason}")),
        }
    }
    report.close(viewers);
    report
}
