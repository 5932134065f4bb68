//! The bounds of a dialog's answers, and what a refusal means.

use super::{DialogError, Head};
use crate::limits::{RTSP_BODY_BYTES_MAX, RTSP_HEAD_BYTES_MAX};

pub(super) fn refused(method: &'static str, status: u16) -> DialogError {
    match status {
        403 => DialogError::Forbidden,
        453 | 503 => DialogError::Busy { status },
        _ => DialogError::Refused { method, status },
    }
}

pub(super) fn within(what: &'static str, bytes: usize, max: usize) -> Result<(), DialogError> {
    if bytes > max {
        return Err(DialogError::OverLimit { what, bytes, max });
    }
    Ok(())
}

/// Garbage that begins like an answer is an answer beyond its bounds: an error, to avoid waiting.
pub(super) fn check_bounds(garbage: &[u8]) -> Result<(), DialogError> {
    /// All of a too long head is garbage, except bytes that may begin a `$` frame.
    const FRAME_START_BYTES_MAX: usize = 3;
    if !garbage.starts_with(b"RTSP/") {
        return Ok(());
    }
    let body = Head::parse(garbage).map_or(0, |head| head.content_length());
    within("message body", body, RTSP_BODY_BYTES_MAX)?;
    match garbage.len() + FRAME_START_BYTES_MAX {
        ..RTSP_HEAD_BYTES_MAX => Ok(()),
        _ => within("message head", RTSP_HEAD_BYTES_MAX + 1, RTSP_HEAD_BYTES_MAX),
    }
}
