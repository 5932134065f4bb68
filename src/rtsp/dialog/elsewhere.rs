//! A stream that is not where it was asked for: by another form of its URL, or at another port.

use std::net::IpAddr;

use super::{Auth, CameraUrl, Dialog, DialogError, Head, control, is_absolute};
use crate::limits::RTSP_REDIRECTS_MAX;

impl Dialog {
    /// Handles 404: some servers need the path alone. If that fails too, the URL is wrong.
    pub(super) fn not_found(&mut self) -> Result<(), DialogError> {
        match control::path_only(&self.describe_uri) {
            Some(path) if is_absolute(&self.describe_uri) => {
                self.describe_uri = path.to_owned();
                self.ask()
            }
            _ => Err(DialogError::NotFound { url: self.url.clone() }),
        }
    }

    pub(super) fn redirected(&mut self, head: &Head<'_>) -> Result<(), DialogError> {
        let location = head.text("Location");
        let location =
            location.ok_or(DialogError::Protocol("a redirect without a Location header"))?;
        let url = CameraUrl::parse(location).map_err(DialogError::RedirectUrl)?;
        self.redirects += 1;
        if self.redirects > RTSP_REDIRECTS_MAX {
            return Err(DialogError::Redirects);
        }
        // A camera configured by name often redirects to its own address.
        let is_peer = url.host().parse().is_ok_and(|ip: IpAddr| ip.to_canonical() == self.peer);
        if !is_peer && !url.host().eq_ignore_ascii_case(self.url.host()) {
            return Err(DialogError::RedirectHost { url });
        }
        if url.scheme() != self.url.scheme() {
            return Err(DialogError::RedirectScheme { url });
        }
        let credentials = self.auth.credentials().cloned();
        self.auth = Auth::new(credentials, self.auth.takes_digest());
        self.reconnected = false;
        self.describe_uri = url.request();
        self.connect_to(url)
    }
}
