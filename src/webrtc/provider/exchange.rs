//! Key exchange: X25519, and P-256 for a browser without it.

use dimpl::crypto::{ActiveKeyExchange, Buf, NamedGroup, SupportedKxGroup};
use dimpl::{CryptoError, CryptoOperation};
use ring::agreement::{self, Algorithm, EphemeralPrivateKey, UnparsedPublicKey};
use ring::rand::SystemRandom;

static X25519: Group = Group { name: NamedGroup::X25519, algorithm: &agreement::X25519 };
static P256: Group = Group { name: NamedGroup::Secp256r1, algorithm: &agreement::ECDH_P256 };
/// The groups in our order of preference.
pub(super) static GROUPS: &[&dyn SupportedKxGroup] = &[&X25519, &P256];

#[derive(Debug)]
struct Group {
    name: NamedGroup,
    algorithm: &'static Algorithm,
}

impl SupportedKxGroup for Group {
    fn name(&self) -> NamedGroup {
        self.name
    }

    fn start_exchange(&self, mut public: Buf) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        let secret = EphemeralPrivateKey::generate(self.algorithm, &SystemRandom::new())
            .map_err(|_| CryptoError::OperationFailed(CryptoOperation::GenerateEphemeralKey))?;
        let computed = secret
            .compute_public_key()
            .map_err(|_| CryptoError::OperationFailed(CryptoOperation::ComputePublicKey))?;
        public.clear();
        public.extend_from_slice(computed.as_ref());
        Ok(Box::new(Exchange { name: self.name, secret, public }))
    }
}

struct Exchange {
    name: NamedGroup,
    secret: EphemeralPrivateKey,
    public: Buf,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exchange({:?})", self.name)
    }
}

impl ActiveKeyExchange for Exchange {
    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn complete(self: Box<Self>, peer: &[u8], out: &mut Buf) -> Result<(), CryptoError> {
        // ring refuses points off the curve and an all-zero shared secret (RFC 7748 section 6.1).
        let peer = UnparsedPublicKey::new(self.secret.algorithm(), peer);
        agreement::agree_ephemeral(self.secret, &peer, |shared| {
            out.clear();
            out.extend_from_slice(shared);
        })
        .map_err(|_| CryptoError::InvalidPublicKey(self.name))
    }

    fn group(&self) -> NamedGroup {
        self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_order_point_is_refused() {
        let exchange = X25519.start_exchange(Buf::new()).unwrap();
        assert!(exchange.complete(&[0; 32], &mut Buf::new()).is_err());
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let exchange = P256.start_exchange(Buf::new()).unwrap();
        let mut point = [1; 65];
        point[0] = 4;
        assert!(exchange.complete(&point, &mut Buf::new()).is_err());
    }
}
