//! What is taken from a camera's answers, whichever question they are to.

use std::borrow::Cow;

use super::error::AnswerError;
use super::reader::{Element, Met, read};
use super::request::MediaVersion;
use crate::clock;
use crate::limits::{
    ONVIF_ANSWER_BYTES_MAX, ONVIF_FAULT_BYTES_MAX, ONVIF_PATH_BYTES_MAX, ONVIF_PROFILES_MAX,
    ONVIF_TOKEN_BYTES_MAX,
};

/// Faults that mean a login that is not taken, by the ends of their names.
const REFUSALS: [&str; 4] =
    ["NotAuthorized", "FailedAuthentication", "InvalidSecurity", "InvalidSecurityToken"];

/// The parts of an answer that matter; what it does not have is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OnvifAnswer {
    /// The innermost code of a fault, without its prefix and cut short: visible ASCII.
    pub fault: Option<String>,
    /// The camera's time, in seconds since 1970.
    pub unix_s: Option<u64>,
    /// The path of its media service, by its capabilities. The host is left out: it may be one
    /// behind a router.
    pub media_path: Option<String>,
    /// The same by its list of services: the path of the media service of each version.
    pub services: ServicePaths,
    /// The tokens of its first profiles.
    pub tokens: heapless::Vec<String, ONVIF_PROFILES_MAX>,
    /// Path and query of a stream's URL; it may contain a password.
    pub stream_path: Option<String>,
}

impl OnvifAnswer {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// [`AnswerError`]: nothing of it counts.
    pub fn read(body: &[u8]) -> Result<Self, AnswerError> {
        if body.len() > ONVIF_ANSWER_BYTES_MAX {
            return Err(AnswerError::TooLong);
        }
        let mut answer = Self::default();
        let mut is_soap = false;
        let mut time = CameraTime::default();
        // Of the service that is being read.
        let mut version = None;
        read(&text_of(body), |path, met| match met {
            Met::Begin { token } => {
                is_soap |= path == [Element::Envelope];
                if path.last() == Some(&Element::Service) {
                    version = None;
                }
                if let ([.., Element::GetProfilesResponse, Element::Profiles], Some(token)) =
                    (path, token)
                {
                    answer.add_profile(token);
                }
            }
            Met::End { text } => {
                time.take(path, text);
                match path {
                    [.., Element::GetServicesResponse, Element::Service, Element::Namespace] => {
                        version = MediaVersion::of(text);
                    }
                    [.., Element::GetServicesResponse, Element::Service, Element::XAddr] => {
                        answer.services.add(version, text);
                    }
                    _ => answer.take(path, text),
                }
            }
        })?;
        answer.unix_s = time.unix_s();
        if is_soap { Ok(answer) } else { Err(AnswerError::NotSoap) }
    }

    /// Whether it is a fault that says that the login is not taken.
    pub fn refuses_login(&self) -> bool {
        let is_one = |fault: &String| REFUSALS.iter().any(|end| fault.ends_with(end));
        self.fault.as_ref().is_some_and(is_one)
    }

    fn add_profile(&mut self, token: &str) {
        let fits = !token.is_empty() && token.len() <= ONVIF_TOKEN_BYTES_MAX;
        if fits && !token.chars().any(char::is_control) {
            // Further ones are left out.
            let _ = self.tokens.push(token.to_owned());
        }
    }

    fn take(&mut self, path: &[Element], text: &str) {
        match path {
            [.., Element::Media, Element::XAddr] => {
                if let (None, Some(path)) = (&self.media_path, service_path_of(text)) {
                    self.media_path = Some(path.to_owned());
                }
            }
            [.., Element::MediaUri | Element::GetStreamUriResponse, Element::Uri] => {
                self.stream_path = path_of(text).map(str::to_owned);
            }
            [.., Element::Code | Element::Subcode, Element::Value] | [.., Element::faultcode]
                if path.contains(&Element::Fault) =>
            {
                let name = text.rsplit(':').next().unwrap_or_default();
                let signs = name.chars().filter(char::is_ascii_graphic);
                let name: String = signs.take(ONVIF_FAULT_BYTES_MAX).collect();
                // The innermost one ends first with some, and comes last with most.
                let is_coarse = ["Sender", "Receiver", "Client", "Server"].contains(&&*name);
                if !is_coarse || self.fault.is_none() {
                    self.fault = Some(name);
                }
            }
            [.., Element::Body, Element::Fault] => {
                self.fault.get_or_insert_with(|| "without a code".to_owned());
            }
            _ => {}
        }
    }
}

/// The paths of a camera's media services, by version.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ServicePaths {
    /// That of the first version.
    pub one: Option<String>,
    /// That of the second.
    pub two: Option<String>,
}

impl ServicePaths {
    /// Takes the address of a service; the first of each version counts.
    fn add(&mut self, version: Option<MediaVersion>, address: &str) {
        let place = match version {
            Some(MediaVersion::One) => &mut self.one,
            Some(MediaVersion::Two) => &mut self.two,
            None => return,
        };
        if let (None, Some(path)) = (&place, service_path_of(address)) {
            *place = Some(path.to_owned());
        }
    }
}

/// The body as text. In an encoding other than UTF-8 all that matters is ASCII, and the rest is
/// replaced.
fn text_of(body: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(body).map_or_else(
        |_| {
            let sign = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '?' };
            Cow::Owned(body.iter().map(sign).collect())
        },
        Cow::Borrowed,
    )
}

/// Path and query of a URL; `/` if it has none. What could break a request is no path.
fn path_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    path.bytes().all(|byte| byte.is_ascii_graphic()).then_some(path)
}

fn service_path_of(url: &str) -> Option<&str> {
    path_of(url).filter(|path| path.len() <= ONVIF_PATH_BYTES_MAX)
}

/// The camera's time in UTC, as far as it came.
#[derive(Default)]
struct CameraTime {
    parts: [Option<u16>; 6],
}

impl CameraTime {
    fn take(&mut self, path: &[Element], text: &str) {
        let [.., Element::UTCDateTime, Element::Date | Element::Time, part] = path else { return };
        let at = match part {
            Element::Year => 0,
            Element::Month => 1,
            Element::Day => 2,
            Element::Hour => 3,
            Element::Minute => 4,
            Element::Second => 5,
            _ => return,
        };
        self.parts[at] = text.parse().ok();
    }

    fn unix_s(&self) -> Option<u64> {
        let [Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(second)] =
            self.parts
        else {
            return None;
        };
        let date = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        clock::unix_of(&date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> OnvifAnswer {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<env:Envelope xmlns:env=\"e\"><env:Body>\
             {body}</env:Body></env:Envelope>"
        );
        OnvifAnswer::read(text.as_bytes()).expect("read")
    }

    #[test]
    fn the_time_is_that_of_utc() {
        let date = |name: &str, hour: u8| {
            format!(
                "<tt:{name}><tt:Time><tt:Hour>{hour}</tt:Hour><tt:Minute>3</tt:Minute>\
                 <tt:Second>9</tt:Second></tt:Time><tt:Date><tt:Year>2026</tt:Year>\
                 <tt:Month>1</tt:Month><tt:Day>2</tt:Day></tt:Date></tt:{name}>"
            )
        };
        let both = date("UTCDateTime", 4) + &date("LocalDateTime", 5);
        assert_eq!(answer(&both).unix_s, clock::unix_of("2026-01-02T04:03:09Z"));
        assert_eq!(answer(&date("LocalDateTime", 5)).unix_s, None);
    }

    #[test]
    fn a_service_is_known_by_its_path_alone() {
        let of = |address: &str| {
            answer(&format!(
                "<r><Capabilities><Events><XAddr>http://h/e</XAddr></Events><Media><XAddr>{address}\
                 </XAddr></Media></Capabilities></r>"
            ))
            .media_path
        };
        assert_eq!(of("http://10.0.0.1:80/onvif/Media").as_deref(), Some("/onvif/Media"));
        assert_eq!(of("http://10.0.0.1").as_deref(), Some("/"));
        assert_eq!(of("http://10.0.0.1/a b"), None);
        assert_eq!(of("nonsense"), None);
        let long = |bytes: usize| of(&format!("http://h/{}", "x".repeat(bytes - 1)));
        assert!(long(ONVIF_PATH_BYTES_MAX).is_some());
        assert_eq!(long(ONVIF_PATH_BYTES_MAX + 1), None);
    }

    #[test]
    fn a_media_service_is_known_by_its_namespace() {
        let service = |namespace: &str, address: &str| {
            format!(
                "<tds:Service><tds:Namespace>http://www.onvif.org/{namespace}/wsdl</tds:Namespace>\
                 <tds:XAddr>{address}</tds:XAddr><tds:Version><tt:Major>2</tt:Major></tds:Version>\
                 </tds:Service>"
            )
        };
        let of = |services: String| {
            answer(&format!("<tds:GetServicesResponse>{services}</tds:GetServicesResponse>"))
        };
        let all = service("ver10/device", "http://h/d")
            + &service("ver20/media", "http://h/m2?a=1")
            + &service("ver20/media", "http://h/again")
            + &service("ver20/ptz", "http://h/p");
        let found = of(all.clone());
        assert_eq!(found.services.two.as_deref(), Some("/m2?a=1"));
        assert_eq!((&found.services.one, &found.media_path), (&None, &None));
        let found = of(all + &service("ver10/media", "http://h/m1"));
        assert_eq!(found.services.one.as_deref(), Some("/m1"));
        // An address is of the service that it is in.
        let apart = "<Service><Namespace>http://www.onvif.org/ver20/media/wsdl</Namespace></Service>\
                     <Service><XAddr>http://h/x</XAddr></Service>";
        assert_eq!(of(apart.to_owned()).services, ServicePaths::default());
        let long = |bytes: usize| {
            of(service("ver20/media", &format!("http://h/{}", "x".repeat(bytes - 1)))).services.two
        };
        assert!(long(ONVIF_PATH_BYTES_MAX).is_some());
        assert_eq!(long(ONVIF_PATH_BYTES_MAX + 1), None);
    }

    #[test]
    fn the_url_of_a_stream_is_where_either_version_has_it() {
        for answered in [
            "<GetStreamUriResponse><MediaUri><tt:Uri>rtsp://h/a?b</tt:Uri></MediaUri>\
             </GetStreamUriResponse>",
            "<tr2:GetStreamUriResponse><tr2:Uri>rtsp://h/a?b</tr2:Uri></tr2:GetStreamUriResponse>",
        ] {
            assert_eq!(answer(answered).stream_path.as_deref(), Some("/a?b"));
        }
    }

    #[test]
    fn profiles_are_taken_up_to_their_bounds() {
        let profile = |token: &str| format!("<trt:Profiles token=\"{token}\" fixed=\"true\"/>");
        let of = |profiles: String| {
            answer(&format!("<trt:GetProfilesResponse>{profiles}</trt:GetProfilesResponse>")).tokens
        };
        let found = of(profile("main &amp; all") + &profile("") + &profile("sub"));
        assert_eq!(found[..], ["main & all", "sub"]);
        assert_eq!(of(profile("p").repeat(ONVIF_PROFILES_MAX + 1)).len(), ONVIF_PROFILES_MAX);
        assert_eq!(of(profile(&"x".repeat(ONVIF_TOKEN_BYTES_MAX))).len(), 1);
        assert_eq!(of(profile(&"x".repeat(ONVIF_TOKEN_BYTES_MAX + 1))).len(), 0);
    }

    #[test]
    fn a_fault_is_told_by_its_innermost_code() {
        let fault = "<env:Fault><env:Code><env:Value>env:Sender</env:Value><env:Subcode>\
            <env:Value>ter:NotAuthorized</env:Value></env:Subcode></env:Code></env:Fault>";
        let found = answer(fault);
        assert_eq!(found.fault.as_deref(), Some("NotAuthorized"));
        assert!(found.refuses_login());
        let found = answer("<Fault><faultcode>SOAP-ENV:Server</faultcode></Fault>");
        assert_eq!((found.fault.as_deref(), found.refuses_login()), (Some("Server"), false));
        assert_eq!(answer("<Fault/>").fault.as_deref(), Some("without a code"));
        let long = format!("<Fault><faultcode>{}</faultcode></Fault>", "x\u{1b}".repeat(100));
        assert_eq!(answer(&long).fault.expect("one").len(), ONVIF_FAULT_BYTES_MAX);
    }

    #[test]
    fn names_in_another_encoding_do_not_matter() {
        let document = b"<Envelope><Name>T\xfcr</Name><GetProfilesResponse><Profiles token='a'/>\
            </GetProfilesResponse></Envelope>";
        assert_eq!(OnvifAnswer::read(document).expect("read").tokens[..], ["a"]);
    }

    #[test]
    fn what_is_no_answer_is_none() {
        let read = |text: &str| OnvifAnswer::read(text.as_bytes());
        assert_eq!(read("<html></html>"), Err(AnswerError::NotSoap));
        assert_eq!(read(""), Err(AnswerError::NotSoap));
        assert_eq!(read("<br><p>"), Err(AnswerError::NotXml));
        let empty = |bytes: usize| format!("{:<bytes$}", "<Envelope></Envelope>");
        assert_eq!(read(&empty(ONVIF_ANSWER_BYTES_MAX)), Ok(OnvifAnswer::default()));
        assert_eq!(read(&empty(ONVIF_ANSWER_BYTES_MAX + 1)), Err(AnswerError::TooLong));
    }
}
