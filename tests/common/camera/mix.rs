//! The cameras that a house has: many sub-streams, some full pictures, and a few that send several
//! times as much. The same for the same count, every time.

use super::Mount;
use super::picture::Picture;

/// What most cameras' ports have.
pub const PORT_MBIT_S: u32 = 100;
/// Bits a second, and how many of 64 cameras send them.
const SHARES: [(u32, u32); 4] = [(500_000, 32), (2_000_000, 20), (4_000_000, 8), (8_000_000, 4)];
const OF: u32 = 64;
const FRAMES_PER_S: u32 = 25;
/// How many times larger than another frame a key frame is.
const KEY_FRAME_WEIGHT: (u32, u32) = (4, 40);
/// Seconds from one key frame to the next.
const GOP_S: (u32, u32) = (1, 4);
const SEED: u64 = 0x7765_6972_2d6d_6978;

/// `count` cameras named `cam0`, `cam1`, …: each rate's share of them is spread over all, and what
/// else they have is drawn from a fixed seed. Frames and key frames fall as they fall, or all begin
/// at the same instant.
pub fn mounts(count: u32, same_instant: bool) -> Vec<Mount> {
    let rates = rates(count).into_iter().zip(0..);
    rates.map(|(bits_per_s, number)| mount(number, bits_per_s, same_instant)).collect()
}

fn mount(number: u32, bits_per_s: u32, same_instant: bool) -> Mount {
    let mut random = Random(SEED ^ u64::from(number) << 32);
    let picture = Picture {
        frames_per_s: FRAMES_PER_S,
        gop: random.within((GOP_S.0 * FRAMES_PER_S, GOP_S.1 * FRAMES_PER_S)),
        bits_per_s,
        idr_weight: random.within(KEY_FRAME_WEIGHT),
        slices: 1,
    };
    let mut mount = Mount::new(&format!("cam{number}"), picture);
    mount.port_mbit_s = Some(PORT_MBIT_S);
    if !same_instant {
        mount.phase_us = random.within((0, 1_000_000 / FRAMES_PER_S - 1)).into();
        mount.gop_phase = random.within((0, picture.gop - 1));
    }
    mount
}

/// Each camera's rate: the one that is furthest behind its share comes next.
fn rates(count: u32) -> Vec<u32> {
    let mut had = [0; SHARES.len()];
    let behind = |had: &[u32; SHARES.len()], at: usize, number: u32| {
        i64::from(SHARES[at].1 * (number + 1)) - i64::from(had[at] * OF)
    };
    (0..count)
        .map(|number| {
            let next = (0..SHARES.len()).max_by_key(|at| behind(&had, *at, number));
            let next = next.expect("there are shares");
            had[next] += 1;
            SHARES[next].0
        })
        .collect()
}

/// Splitmix64 (Steele, Lea, Flood).
struct Random(u64);

impl Random {
    /// A number from the first to the second, both included.
    fn within(&mut self, (least, most): (u32, u32)) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        least + u32::try_from(bits % u64::from(most - least + 1)).expect("within")
    }
}
