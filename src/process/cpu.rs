//! The CPU's instructions for AES-GCM: what sealing a packet costs depends on them.

/// The architecture, as the toolchain names it.
pub const ARCHITECTURE: &str = std::env::consts::ARCH;

/// Each instruction set that matters, and whether this CPU has it.
pub fn features() -> impl Iterator<Item = (&'static str, bool)> {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("aes-ni", std::arch::is_x86_feature_detected!("aes")),
        ("pclmulqdq", std::arch::is_x86_feature_detected!("pclmulqdq")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("vaes", std::arch::is_x86_feature_detected!("vaes")),
    ];
    #[cfg(target_arch = "aarch64")]
    let features = [
        ("aes", std::arch::is_aarch64_feature_detected!("aes")),
        ("pmull", std::arch::is_aarch64_feature_detected!("pmull")),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let features: [(&str, bool); 0] = [];
    features.into_iter()
}

/// What AES-GCM is done with on this CPU by ring, in words: its own instructions, if it has those
/// for AES and for GCM's multiplication both.
pub fn sealing() -> (&'static str, bool) {
    let has = |wanted: &str| features().any(|(name, has)| has && name == wanted);
    if has("aes-ni") && has("pclmulqdq") {
        ("AES-NI and PCLMULQDQ", true)
    } else if has("aes") && has("pmull") {
        ("AES and PMULL", true)
    } else {
        ("no instructions of its own", false)
    }
}
