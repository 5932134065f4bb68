//! Viewers that come and go: so many a second, each with its own thread of a pool, half of them
//! without a word.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use weir::clock;

use super::agent::{self, NO_FINGERPRINT};
use super::reception::Keep;
use super::viewer::{Options, Viewer, wall};

/// Visitors under way at once: what does not get a thread in time is counted as late.
const THREADS: usize = 32;
/// Each address of this machine that visitors come from.
const HOSTS: u64 = 16;
const FIRST_HOST: u8 = 10;
/// From the answer to media.
const MEDIA_US_MAX: u64 = 5_000_000;
const STAY_US: u64 = 500_000;
const LATE_US: u64 = 500_000;

/// How a visitor leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Without a word, once it has watched.
    Vanishes,
    /// Without a word, as soon as it has its answer.
    NeverChecks,
    /// By DELETE.
    Deletes,
    /// With a DTLS alert, as browsers do it that are closed.
    Closes,
}

/// The order in which they come: half of them vanish.
const EXITS: [Exit; 8] = [
    Exit::Vanishes,
    Exit::Deletes,
    Exit::Vanishes,
    Exit::Closes,
    Exit::NeverChecks,
    Exit::Deletes,
    Exit::Vanishes,
    Exit::Closes,
];

/// What became of the visitors.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Offers posted.
    pub offers: AtomicU64,
    /// Visitors that watched and left, with a word or without.
    pub watched: AtomicU64,
    /// Of these, the ones that left by DELETE, and those by an alert.
    pub deleted: AtomicU64,
    /// See `deleted`.
    pub closed: AtomicU64,
    /// Visitors that were never meant to.
    pub silent: AtomicU64,
    /// Packets that visitors received, and those that never came.
    pub packets: AtomicU64,
    /// See `packets`.
    pub lost: AtomicU64,
    /// Visitors that came later than they should have: the machine was busy.
    pub late: AtomicU64,
    /// The longest from a POST to its answer, and from there to the first packet.
    pub answer_us_max: AtomicU64,
    /// See `answer_us_max`.
    pub media_us_max: AtomicU64,
    /// What went wrong, in words; the first few.
    pub troubles: Mutex<Vec<String>>,
    /// How often.
    pub troubled: AtomicU64,
}

/// A stream of visitors.
#[derive(Debug, Clone)]
pub struct Churn {
    /// WHEP.
    pub http: SocketAddr,
    /// The cameras they watch, in turn.
    pub cameras: Vec<String>,
    /// What they are let in by, where that is needed.
    pub token: Option<String>,
    /// How many a second.
    pub per_s: u64,
    /// For how long they come.
    pub us: u64,
}

impl Ledger {
    fn trouble(&self, words: String) {
        const KEPT: usize = 16;
        self.troubled.fetch_add(1, Relaxed);
        let mut troubles = self.troubles.lock().expect("not poisoned");
        if troubles.len() < KEPT {
            troubles.push(words);
        }
    }
}

impl Churn {
    /// Lets them come and go; returns when the last has left.
    pub fn run(&self, ledger: &Ledger) {
        let began_us = clock::now_us();
        let next = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Relaxed);
                        let at_us = number * 1_000_000 / self.per_s;
                        if at_us >= self.us {
                            return;
                        }
                        let now_us = clock::now_us() - began_us;
                        std::thread::sleep(Duration::from_micros(at_us.saturating_sub(now_us)));
                        let late = now_us > at_us + LATE_US;
                        ledger.late.fetch_add(u64::from(late), Relaxed);
                        if let Err(words) = self.visit(number, ledger) {
                            ledger.trouble(format!("visitor {number}: {words}"));
                        }
                    }
                });
            }
        });
    }

    fn visit(&self, number: u64, ledger: &Ledger) -> Result<(), String> {
        let place = usize::try_from(number).expect("64 bits");
        let host = u8::try_from(number % HOSTS).expect("few hosts");
        let local = Ipv4Addr::new(127, 0, 0, FIRST_HOST + host).into();
        let camera = &self.cameras[place % self.cameras.len()];
        let exit = EXITS[place % EXITS.len()];
        ledger.offers.fetch_add(1, Relaxed);
        let posted_us = clock::now_us();
        if exit == Exit::NeverChecks {
            let offer = agent::offer(NO_FINGERPRINT);
            let answer = match &self.token {
                Some(token) => agent::post_by(token, local, self.http, camera, &offer),
                None => agent::post(local, self.http, camera, &offer),
            };
            answer.and_then(|answer| answer.expect(201)).map_err(|error| error.to_string())?;
            ledger.silent.fetch_add(1, Relaxed);
            return Ok(());
        }
        let token = self.token.clone();
        let options = Options { local, keep: Keep::Counts, token, ..Options::default() };
        let viewer = Viewer::connect_with(self.http, camera, &options);
        let mut viewer = viewer.map_err(|error| error.to_string())?;
        let answered_us = clock::now_us();
        ledger.answer_us_max.fetch_max(answered_us - posted_us, Relaxed);
        let has_media = |viewer: &Viewer| viewer.reception.counts.packets > 0;
        if !wall::run_one(&mut viewer, MEDIA_US_MAX, has_media) {
            return Err(format!("no media, {:?}", viewer.ended));
        }
        ledger.media_us_max.fetch_max(clock::now_us() - answered_us, Relaxed);
        wall::run_one(&mut viewer, STAY_US, |_| false);
        let counts = &viewer.reception.counts;
        ledger.packets.fetch_add(counts.packets, Relaxed);
        ledger.lost.fetch_add(counts.lost(), Relaxed);
        let ended = viewer.ended.clone();
        ledger.watched.fetch_add(1, Relaxed);
        match exit {
            Exit::Deletes => {
                let status = viewer.delete().map_err(|error| error.to_string())?;
                if status != 200 {
                    return Err(format!("DELETE: {status}"));
                }
                ledger.deleted.fetch_add(1, Relaxed);
            }
            Exit::Closes => {
                viewer.close();
                ledger.closed.fetch_add(1, Relaxed);
            }
            Exit::Vanishes | Exit::NeverChecks => viewer.vanish(),
        }
        ended.map_or(Ok(()), |why| Err(format!("ended by weir: {why}")))
    }
}
