//! The media keys that a handshake yields (RFC 5764 section 4.2).

use zeroize::Zeroize;

/// The SRTP protection profiles that weir serves; others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpProfile {
    /// AEAD_AES_128_GCM (RFC 7714).
    Aes128Gcm,
    /// AEAD_AES_256_GCM (RFC 7714).
    Aes256Gcm,
}

impl SrtpProfile {
    /// Bytes of the profile's master key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
        }
    }

    /// The profile's name in RFC 7714.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "AEAD_AES_128_GCM",
            Self::Aes256Gcm => "AEAD_AES_256_GCM",
        }
    }
}

/// Bytes of a master salt in every profile.
pub const SALT_BYTES: usize = 12;

/// Master keys and salts of both directions. Wiped when dropped, and never shown.
pub struct MediaKeys {
    /// The profile of the keys.
    pub profile: SrtpProfile,
    /// The key that this side seals with; [`SrtpProfile::key_bytes`] long.
    pub local_key: heapless::Vec<u8, 32>,
    /// The salt that this side seals with.
    pub local_salt: [u8; SALT_BYTES],
    /// The key that the other side seals with.
    pub remote_key: heapless::Vec<u8, 32>,
    /// The salt that the other side seals with.
    pub remote_salt: [u8; SALT_BYTES],
}

impl MediaKeys {
    /// Splits the output of the DTLS exporter: client key, server key, client salt, server salt.
    /// weir is the DTLS server. `None` if the length does not match the profile.
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

    /// The same for the DTLS client's side.
    pub fn of_client(profile: SrtpProfile, material: &[u8]) -> Option<Self> {
        let mut keys = Self::of_server(profile, material)?;
        std::mem::swap(&mut keys.local_key, &mut keys.remote_key);
        std::mem::swap(&mut keys.local_salt, &mut keys.remote_salt);
        Some(keys)
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
        let client = MediaKeys::of_client(SrtpProfile::Aes128Gcm, &material).unwrap();
        assert_eq!((&client.local_key, &client.remote_key), (&keys.remote_key, &keys.local_key));
        assert_eq!((client.local_salt, client.remote_salt), (keys.remote_salt, keys.local_salt));
        assert!(MediaKeys::of_server(SrtpProfile::Aes256Gcm, &material).is_none());
        assert_eq!(format!("{keys:?}"), "MediaKeys(AEAD_AES_128_GCM)");
    }
}
