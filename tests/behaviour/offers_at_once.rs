//! A wall of 64 that comes at once: connected at once, and its handshakes' memory given back.

use weir::clock;

use crate::common::camera::picture::Picture;
use crate::common::camera::{CameraFarm, Mount};
use crate::common::reception::Keep;
use crate::common::server::{Server, Setup, wait_for};
use crate::common::viewer::{Options, Viewer, wall};
use weir::limits::PROFILE;

const WALL: u32 = 64;
const CONNECTED_US_MAX: u64 = 500_000;
/// Other tests may have the machine's two cores at that moment.
const TRIES: u32 = 3;
/// What 64 sessions keep on the control thread: secrets, addresses, a table's rows.
const KEPT_BYTES_MAX: f64 = 64.0 * 2048.0;
const PATIENCE_US: u64 = 5_000_000;

fn used(server: &Server) -> f64 {
    server.metric("weir_library_heap_used_bytes").expect("a gauge")
}

/// From the first POST to the last keys; all viewers.
fn connect(server: &Server, cameras: &[String]) -> (u64, Vec<Viewer>) {
    let options = Options { keep: Keep::Counts, ..Options::default() };
    let began_us = clock::now_us();
    let viewers = wall::connect_all(server.http, cameras, &options, PATIENCE_US);
    let viewers: Vec<Viewer> = viewers
        .into_iter()
        .map(|viewer| viewer.unwrap_or_else(|error| panic!("{error}")))
        .collect();
    let connected = viewers.iter().map(|viewer| viewer.connected_us.expect("connected"));
    (connected.max().expect("viewers") - began_us, viewers)
}

#[test]
fn sixty_four_offers_at_once_are_connected_in_half_a_second() {
    let picture = Picture { bits_per_s: 200_000, ..Picture::default() };
    let farm = CameraFarm::open(Mount::many(WALL, picture, false));
    let cameras: Vec<String> = (0..WALL).map(|number| format!("cam{number}")).collect();
    let urls = cameras.iter().map(|name| (name.clone(), farm.url(name)));
    let server = Server::start(&Setup::of(urls));
    assert!(server.wait_until_ready(cameras.len(), 4 * PATIENCE_US));
    let gauges_settle = || wait_for(PATIENCE_US, || server.metric("weir_handshakes") == Some(0.0));

    let mut all_took_us = Vec::new();
    for _ in 0..TRIES {
        std::thread::sleep(std::time::Duration::from_millis(600)); // the gauges' period
        let before = used(&server);
        let (took_us, viewers) = connect(&server, &cameras);
        let sessions = server.metric("weir_sessions");
        assert_eq!(sessions, Some(f64::from(WALL)));
        assert!(gauges_settle(), "handshakes are over");
        let is_back = || used(&server) < before + KEPT_BYTES_MAX;
        assert!(wait_for(PATIENCE_US, is_back), "{before} bytes before, {} now", used(&server));
        for viewer in viewers {
            viewer.delete().expect("an answer");
        }
        all_took_us.push(took_us);
        if took_us < CONNECTED_US_MAX {
            break;
        }
    }
    println!("64 offers at once were connected within {all_took_us:?} us");
    assert!(all_took_us.iter().any(|took_us| *took_us < CONNECTED_US_MAX), "{all_took_us:?} us");
    let high_water = server.metric("weir_library_heap_high_water_bytes").expect("a gauge");
    let max = f64::from(u32::try_from(PROFILE.library_heap_bytes).expect("a few MiB"));
    assert!(high_water < max * 0.8, "{high_water} of {max} bytes");
}
