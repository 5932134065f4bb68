//! When a viewer has its first picture: the parameter sets, the whole key frame behind them, and
//! nothing of it missing.

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// A viewer's wait for its first picture.
#[derive(Debug, Default)]
pub struct FirstPicture {
    /// Parameter sets came, and everything since.
    begun: bool,
    at_us: Option<u64>,
}

impl FirstPicture {
    /// When the key frame's last packet came, once it has.
    pub fn at_us(&self) -> Option<u64> {
        self.at_us
    }

    /// Takes the payloads in the order that they come in; `gap` says that one before this is
    /// missing.
    pub fn payload(&mut self, payload: &[u8], gap: bool, marker: bool, arrival_us: u64) {
        if self.at_us.is_some() {
            return;
        }
        self.begun = !gap && self.begun || begins_with_parameter_sets(payload);
        if marker {
            if self.begun && is_idr(payload) {
                self.at_us = Some(arrival_us);
            }
            self.begun = false;
        }
    }
}

fn begins_with_parameter_sets(payload: &[u8]) -> bool {
    match payload {
        [header, _, _, inner, ..] if header & 0x1f == STAP_A => inner & 0x1f == SPS,
        [header, ..] => header & 0x1f == SPS,
        [] => false,
    }
}

/// Of a packet that is, or ends, a frame's last slice.
fn is_idr(payload: &[u8]) -> bool {
    match payload {
        [indicator, header, ..] if indicator & 0x1f == FU_A => header & 0x1f == IDR,
        [header, ..] => header & 0x1f == IDR,
        [] => false,
    }
}
