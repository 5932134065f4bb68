//! The target for what cameras answer by ONVIF.

use crate::limits::{
    ONVIF_ANSWER_BYTES_MAX, ONVIF_FAULT_BYTES_MAX, ONVIF_PATH_BYTES_MAX, ONVIF_TOKEN_BYTES_MAX,
};
use crate::onvif::{MediaVersion, OnvifAnswer, OnvifRequest};

/// The body of an answer. What is taken of it is within its bounds, can be part of a request line,
/// a log and a request, and a comment behind the document changes nothing.
pub fn onvif_answer(data: &[u8]) {
    let answer = match OnvifAnswer::read(data) {
        Ok(answer) => answer,
        Err(error) => {
            let words = error.to_string();
            assert!(words.len() < 100 && !words.contains(char::is_control), "{words:?}");
            return;
        }
    };
    let is_graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    for path in [&answer.media_path, &answer.stream_path].into_iter().flatten() {
        assert!(path.starts_with('/') && is_graphic(path), "{path:?}");
    }
    let services = [&answer.services.one, &answer.services.two, &answer.media_path];
    for path in services.into_iter().flatten() {
        assert!(path.starts_with('/') && is_graphic(path) && path.len() <= ONVIF_PATH_BYTES_MAX);
    }
    if let Some(fault) = &answer.fault {
        let is_without = fault == "without a code";
        assert!(fault.len() <= ONVIF_FAULT_BYTES_MAX && (is_without || is_graphic(fault)));
    }
    for token in &answer.tokens {
        assert!(!token.is_empty() && token.len() <= ONVIF_TOKEN_BYTES_MAX);
        for version in [MediaVersion::One, MediaVersion::Two] {
            let request = OnvifRequest::SynchronizationPoint(version, token).envelope(None);
            let read = OnvifAnswer::read(request.as_bytes());
            assert_eq!(read, Ok(OnvifAnswer::default()), "{request}");
            assert_eq!(request.matches('<').count(), 9, "a token is text: {request}");
        }
    }
    let more = [data, b"<!-- <Fault/> -->"].concat();
    if more.len() <= ONVIF_ANSWER_BYTES_MAX {
        assert_eq!(OnvifAnswer::read(&more), Ok(answer));
    }
}
