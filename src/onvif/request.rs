//! Requests by SOAP 1.2, with the login as a `UsernameToken` whose password is a digest: SHA-1 of a
//! nonce, the time and the password (WS-Security UsernameToken Profile 1.0).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::escape;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

/// Where every camera has its device service (ONVIF Core, section 5.1.1).
pub const DEVICE_PATH: &str = "/onvif/device_service";

const DEVICE: &str = "http://www.onvif.org/ver10/device/wsdl";
const MEDIA_1: &str = "http://www.onvif.org/ver10/media/wsdl";
const MEDIA_2: &str = "http://www.onvif.org/ver20/media/wsdl";
const SCHEMA: &str = "http://www.onvif.org/ver10/schema";
const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const UTILITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const DIGEST: &str = "http://docs.oasis-open.org/wss/2004/01/\
    oasis-200401-wss-username-token-profile-1.0#PasswordDigest";
const BASE64: &str = "http://docs.oasis-open.org/wss/2004/01/\
    oasis-200401-wss-soap-message-security-1.0#Base64Binary";

/// A version of the media service. Newer firmware for H.265 may have the second alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaVersion {
    /// `ver10`, of Profile S.
    One,
    /// `ver20`, of Profile T.
    Two,
}

impl MediaVersion {
    /// The version whose requests are in this namespace.
    pub(super) fn of(namespace: &str) -> Option<Self> {
        [Self::One, Self::Two].into_iter().find(|version| version.namespace() == namespace)
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::One => MEDIA_1,
            Self::Two => MEDIA_2,
        }
    }
}

/// A question to a camera. The first three are of its device service, the others of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnvifRequest<'a> {
    /// The camera's time, which a login is signed with; asked without one.
    DateAndTime,
    /// Where its services are, as far as cameras of the first version know them.
    Capabilities,
    /// Where all its services are, with their versions.
    Services,
    /// Its profiles, of which each has a stream.
    Profiles(MediaVersion),
    /// The URL of the stream of the profile with this token.
    StreamUri(MediaVersion, &'a str),
    /// A key frame in the stream of the profile with this token.
    SynchronizationPoint(MediaVersion, &'a str),
}

/// A login for one request: user, nonce, time and digest; the password itself is not in it.
#[derive(Debug)]
pub struct UsernameToken<'a> {
    user: &'a str,
    nonce: [u8; 16],
    created: &'a str,
    digest: String,
}

impl<'a> UsernameToken<'a> {
    /// Signs with a `nonce` that was never used, at the camera's time `created`, as in RFC 3339.
    pub fn new(user: &'a str, password: &str, nonce: [u8; 16], created: &'a str) -> Self {
        let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        for part in [&nonce[..], created.as_bytes(), password.as_bytes()] {
            hash.update(part);
        }
        Self { user, nonce, created, digest: STANDARD.encode(hash.finish()) }
    }

    fn write(&self) -> String {
        let Self { user, nonce, created, digest } = self;
        let (user, nonce) = (escape(*user), STANDARD.encode(nonce));
        format!(
            "<s:Header><wsse:Security xmlns:wsse=\"{SECURITY}\" xmlns:wsu=\"{UTILITY}\">\
             <wsse:UsernameToken><wsse:Username>{user}</wsse:Username>\
             <wsse:Password Type=\"{DIGEST}\">{digest}</wsse:Password>\
             <wsse:Nonce EncodingType=\"{BASE64}\">{nonce}</wsse:Nonce>\
             <wsu:Created>{created}</wsu:Created></wsse:UsernameToken></wsse:Security></s:Header>"
        )
    }
}

impl OnvifRequest<'_> {
    /// Whether the login goes with it.
    pub fn is_signed(&self) -> bool {
        !matches!(self, Self::DateAndTime)
    }

    /// The value of `Content-Type`, which names the action too.
    pub fn content_type(&self) -> String {
        let (service, name) = self.operation();
        format!("application/soap+xml; charset=utf-8; action=\"{service}/{name}\"")
    }

    /// The body of the POST.
    pub fn envelope(&self, login: Option<&UsernameToken>) -> String {
        let (service, name) = self.operation();
        let header = login.map_or(String::new(), UsernameToken::write);
        let content = self.content();
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
             <s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">{header}\
             <s:Body><{name} xmlns=\"{service}\">{content}</{name}></s:Body></s:Envelope>"
        )
    }

    fn operation(&self) -> (&'static str, &'static str) {
        match self {
            Self::DateAndTime => (DEVICE, "GetSystemDateAndTime"),
            Self::Capabilities => (DEVICE, "GetCapabilities"),
            Self::Services => (DEVICE, "GetServices"),
            Self::Profiles(version) => (version.namespace(), "GetProfiles"),
            Self::StreamUri(version, _) => (version.namespace(), "GetStreamUri"),
            Self::SynchronizationPoint(version, _) => {
                (version.namespace(), "SetSynchronizationPoint")
            }
        }
    }

    fn content(&self) -> String {
        match self {
            Self::DateAndTime | Self::Profiles(_) => String::new(),
            Self::Capabilities => "<Category>Media</Category>".to_owned(),
            Self::Services => "<IncludeCapability>false</IncludeCapability>".to_owned(),
            Self::StreamUri(MediaVersion::One, token) => format!(
                "<StreamSetup><Stream xmlns=\"{SCHEMA}\">RTP-Unicast</Stream>\
                 <Transport xmlns=\"{SCHEMA}\"><Protocol>RTSP</Protocol></Transport></StreamSetup>\
                 <ProfileToken>{}</ProfileToken>",
                escape(*token)
            ),
            Self::StreamUri(MediaVersion::Two, token) => {
                format!("<Protocol>RTSP</Protocol><ProfileToken>{}</ProfileToken>", escape(*token))
            }
            Self::SynchronizationPoint(_, token) => {
                format!("<ProfileToken>{}</ProfileToken>", escape(*token))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of ONVIF's Application Programmer's Guide, section 6.1.1.3.
    #[test]
    fn the_digest_is_that_of_onvifs_guide() {
        let nonce = STANDARD.decode("LKqI6G/AikKCQrN0zqZFlg==").expect("base64");
        let nonce = nonce.try_into().expect("16 bytes");
        let token = UsernameToken::new("user", "userpassword", nonce, "2010-09-16T07:50:45Z");
        assert_eq!(token.digest, "tuOSpGlFlIXsozq4HFNeeGeFLEI=");
    }

    #[test]
    fn what_a_camera_or_a_person_chose_stays_text() {
        let token = UsernameToken::new("a<b&\"c", "secret", [7; 16], "2026-01-01T00:00:00Z");
        let text =
            OnvifRequest::SynchronizationPoint(MediaVersion::One, "</x>&").envelope(Some(&token));
        assert!(text.contains("<wsse:Username>a&lt;b&amp;&quot;c</wsse:Username>"), "{text}");
        assert!(text.contains("<ProfileToken>&lt;/x&gt;&amp;</ProfileToken>"), "{text}");
        assert!(!text.contains("secret"));
        assert!(!OnvifRequest::DateAndTime.is_signed());
    }
}
