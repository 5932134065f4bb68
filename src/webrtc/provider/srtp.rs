//! The SRTP provider that str0m gets: it refuses everything, as only egress seals media.
//!
//! Nothing here can be reached, because str0m never gets the keying material (see
//! [`super::instance`]). Each function panics with that reason, so that a mistake shows as a crash
//! in a test and not as two encryptors with one key.

use str0m_proto::crypto::{
    SrtpProvider, SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
};

pub(super) static REFUSING: Refusing = Refusing;

#[derive(Debug)]
pub(super) struct Refusing;

fn unreachable_by_design() -> ! {
    unreachable!("str0m never holds a media key")
}

impl SrtpProvider for Refusing {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        unreachable_by_design()
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        unreachable_by_design()
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        unreachable_by_design()
    }

    fn srtp_aes_128_ecb_round(&self, _: &[u8], _: &[u8], _: &mut [u8]) {
        unreachable_by_design()
    }

    fn srtp_aes_256_ecb_round(&self, _: &[u8], _: &[u8], _: &mut [u8]) {
        unreachable_by_design()
    }
}
