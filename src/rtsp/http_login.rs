//! A camera's login at its HTTP services, by Digest (RFC 7616) as within RTSP. Basic, which tells
//! the password, is refused: there is no need for it.

use super::auth::{Auth, AuthError};
use super::transmit::Transmit;
use super::url::CameraCredentials;

const HEADER: &str = "Authorization: ";

/// The login of one camera, with the challenge that it sent last.
#[derive(Debug)]
pub struct HttpLogin(Auth);

/// Why a camera's challenge cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefused {
    /// The camera asks for a login, and none is configured.
    NoLogin,
    /// It asks for nothing but Basic, or what weir does not know.
    NoDigest,
    /// It refuses user and password.
    Wrong,
}

impl HttpLogin {
    /// The login before a challenge came.
    pub fn new(credentials: Option<CameraCredentials>) -> Self {
        // As with a camera that took Digest before: it is never told the password itself.
        Self(Auth::new(credentials, true))
    }

    /// Handles a 401 with these `WWW-Authenticate` values. `Ok` means: send the request again.
    ///
    /// # Errors
    /// [`LoginRefused`]: there is nothing to send again.
    pub fn challenged<'v>(
        &mut self,
        values: impl Iterator<Item = &'v [u8]> + Clone,
    ) -> Result<(), LoginRefused> {
        self.0.challenged(values).map_err(|error| match error {
            AuthError::NoCredentials => LoginRefused::NoLogin,
            AuthError::NoScheme | AuthError::Downgrade => LoginRefused::NoDigest,
            AuthError::Refused(_) => LoginRefused::Wrong,
        })
    }

    /// The camera took the last signature: it may ask for another one with a new nonce.
    pub fn accepted(&mut self) {
        self.0.accepted();
    }

    /// The value of `Authorization` for a request; `None` as long as no challenge came.
    pub fn authorization(&mut self, method: &str, path: &str) -> Option<String> {
        let mut out = Transmit::new();
        self.0.sign(method, path, &mut out).ok()?;
        let line = std::str::from_utf8(out.bytes()).ok()?;
        Some(line.strip_prefix(HEADER)?.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> HttpLogin {
        let (user, password) = ("viewer".to_owned(), "Circle of Life".to_owned());
        HttpLogin::new(Some(CameraCredentials { user, password }))
    }

    fn challenged(login: &mut HttpLogin, value: &str) -> Result<(), LoginRefused> {
        login.challenged([value.as_bytes()].into_iter())
    }

    #[test]
    fn only_digest_is_answered() {
        let mut login = login();
        assert_eq!(login.authorization("POST", "/onvif/media"), None);
        assert_eq!(challenged(&mut login, "Basic realm=\"c\""), Err(LoginRefused::NoDigest));
        assert_eq!(login.authorization("POST", "/onvif/media"), None);
        let digest = "Basic realm=\"c\", Digest realm=\"c\", nonce=\"n\", qop=\"auth\"";
        challenged(&mut login, digest).expect("digest");
        let value = login.authorization("POST", "/onvif/media").expect("signed");
        assert!(value.starts_with("Digest username=\"viewer\", realm=\"c\""), "{value}");
        assert!(value.contains("uri=\"/onvif/media\"") && value.contains("nc=00000001"), "{value}");
        assert!(!value.contains('\r') && !value.contains("Circle"));
        assert_eq!(challenged(&mut login, digest), Err(LoginRefused::Wrong));
        let none = challenged(&mut HttpLogin::new(None), digest);
        assert_eq!(none, Err(LoginRefused::NoLogin));
    }
}
