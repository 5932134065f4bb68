//! What a viewer is before it connects.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Candidate, Rtc, RtcConfig};
use weir::clock;
use weir::codec::Codec;

use crate::common::key_extractor::{self, KeyExtractor};
use crate::common::reception::Keep;

/// Chromium's consent checks.
const CONSENT: Duration = Duration::from_millis(2_660);

/// What can be asked of a viewer before it connects.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address it is reached at.
    pub local: IpAddr,
    /// The codecs that it offers.
    pub codecs: &'static [Codec],
    /// What is done with its packets.
    pub keep: Keep,
    /// Whether it sends receiver reports of its own accord.
    pub reports: bool,
    /// A token that it brings with its offer.
    pub token: Option<String>,
    /// Further headers of the POST.
    pub headers: Vec<(String, String)>,
    /// Whether it offers to receive sound, and in a section before the picture's.
    pub sound: Option<SoundFirst>,
    /// A last change to the offer's text.
    pub edit_offer: fn(String) -> String,
}

/// Whether the section of the sound comes before that of the picture.
pub type SoundFirst = bool;

impl Default for Options {
    fn default() -> Self {
        Self {
            local: Ipv4Addr::LOCALHOST.into(),
            codecs: &[Codec::H264],
            keep: Keep::Packets,
            reports: true,
            headers: Vec::new(),
            token: None,
            sound: None,
            edit_offer: |offer| offer,
        }
    }
}

/// str0m as a full ICE agent and DTLS client, and where it leaves its keys.
pub(super) fn rtc(local: SocketAddr, codecs: &[Codec]) -> (Rtc, KeyExtractor) {
    let (provider, extractor) = key_extractor::provider();
    let mut extensions = ExtensionMap::empty();
    extensions.set(6, Extension::PlayoutDelay);
    let mut config = RtcConfig::new()
        .set_crypto_provider(provider)
        .set_dtls_cert(key_extractor::certificate())
        .clear_codecs()
        .enable_h264(codecs.contains(&Codec::H264))
        .enable_h265(codecs.contains(&Codec::H265))
        .enable_pcma(true, false)
        .enable_pcmu(true, false)
        .enable_opus(true, false)
        .set_extension_map(extensions)
        .set_rtp_mode(true);
    config.set_max_stun_rto(CONSENT);
    let mut rtc = config.build(clock::instant(clock::now_us()));
    let candidate = Candidate::host(local, "udp").expect("a usable address");
    rtc.add_local_candidate(candidate);
    (rtc, extractor)
}
