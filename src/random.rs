//! Random bytes from the kernel, which cannot be guessed.

use ring::rand::{SecureRandom as _, SystemRandom};

/// `N` of them.
///
/// # Panics
/// Never once the kernel has booted: before it has gathered enough, the call waits.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.expect("the kernel has random bytes once it has booted");
    bytes
}
