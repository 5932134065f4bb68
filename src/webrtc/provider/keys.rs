//! The media keys a handshake yields (RFC 5764 section 4.2).

use zeroize::Zeroize;

/// A protection profile weir serves; anything else is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpProfile {
    /// AEAD_AES_128_GCM (RFC 7714).
    Aes128Gcm,
    /// AEAD_AES_256_GCM (RFC 7714).
    Aes256Gcm,
}

impl SrtpProfile {
    /// Bytes of a master key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
        }
    }

    /// Its name in RFC 7714.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "AEAD_AES_128_GCM",
            Self::Aes256Gcm => "AEAD_AES_256_GCM",
        }
    }
}

/// Bytes of a master salt, whatever the profile.
pub const SALT_BYTES: usize = 12;

/// Master keys and salts of both directions. Wiped when dropped, never shown.
pub struct MediaKeys {
    /// What they are for.
    pub profile: SrtpProfile,
    /// The key we seal with; [`SrtpProfile::key_bytes`] long.
    pub local_key: heapless::Vec<u8, 32>,
    /// Its salt.
    pub local_salt: [u8; SALT_BYTES],
    /// The key the browser seals with.
    pub remote_key: heapless::Vec<u8, 32>,
    /// Its salt.
    pub remote_salt: [u8; SALT_BYTES],
}

impl MediaKeys {
    /// Cuts the DTLS exporter's output: client key, server key, client salt, server salt. weir is
    /// the DTLS server. `None` when the length is not the profile's.
    pub fn of_server(profile: SrtpProfile, material: &[u8]) -> Option<Self> {
        let key_bytes = profile.key_bytes();
        if material.len() != 2 * (key_bytes + SALT_BYTES) {
            return None;
        }
        let (keys, salts) = material.split_at(2 * key_bytes);
        let (client, server) = keys.split_at(key_bytes);
        let (client_salt, server_salt) = salts.split_at(SALT_BYTES);
        Some(Self {
            profile,
            local_key: heapless::Vec::from_slice(server).ok()?,
            local_salt: server_salt.try_into().ok()?,
            remote_key: heapless::Vec::from_slice(client).ok()?,
            remote_salt: client_salt.try_into().ok()?,
        })
    }
}

impl std::fmt::Debug for MediaKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MediaKeys({})", self.profile.name())
    }
}

impl Drop for MediaKeys {
    fn drop(&mut self) {
        self.local_key.as_mut_slice().zeroize();
        self.local_salt.zeroize();
        self.remote_key.as_mut_slice().zeroize();
        self.remote_salt.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_seals_with_the_second_key_and_salt() {
        let material: Vec<u8> = (0..56).collect();
        let keys = MediaKeys::of_server(SrtpProfile::Aes128Gcm, &material).unwrap();
        assert_eq!(keys.remote_key[..], material[..16]);
        assert_eq!(keys.local_key[..], material[16..32]);
        assert_eq!(keys.remote_salt[..], material[32..44]);
        assert_eq!(keys.local_salt[..], material[44..]);
        assert!(MediaKeys::of_server(SrtpProfile::Aes256Gcm, &material).is_none());
        assert_eq!(format!("{keys:?}"), "MediaKeys(AEAD_AES_128_GCM)");
    }
}
