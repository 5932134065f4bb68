//! The transports that a dialog asks for, one after the other.

use super::{Dialog, DialogError, Stage};
use crate::limits::RTSP_UDP_SILENCE_US_MAX;
use crate::rtsp::examine::Channels;
use crate::rtsp::session::RtpRoute;
use crate::rtsp::setup::{Granted, Transport, Transports};

impl Dialog {
    /// Asks for this transport alone, as the operator chose. Called before the first poll.
    pub fn fix_transport(&mut self, transport: Transport) {
        self.transports = Transports::new(Some(transport), transport);
    }

    /// The ports of [`OpenPorts`](super::DialogStep::OpenPorts) are open; `port` is the even one.
    ///
    /// # Errors
    /// As those of [`Dialog::receive`].
    pub fn ports_opened(&mut self, port: u16) -> Result<(), DialogError> {
        match self.awaits_sound() {
            true => self.transports.sound_port = Some(port),
            false => self.transports.client_port = Some(port),
        }
        self.ask()?;
        // What came after the answer before.
        self.receive(&[])
    }

    /// Whether it is the caller's turn to open ports.
    pub(super) fn waits_for_ports(&self) -> bool {
        match &self.stage {
            Stage::Setup(_) => self.transports.needs_ports(false),
            Stage::Others(..) => self.awaits_sound() && self.transports.needs_ports(true),
            Stage::Options | Stage::Describe | Stage::Over => false,
        }
    }

    /// How the video comes, as the camera has granted it.
    pub(super) fn route(&mut self, granted: Granted, payload_type: u8) -> RtpRoute {
        match granted {
            Granted::Channels(rtp, rtcp) => {
                RtpRoute::Interleaved(Channels { rtp, rtcp, payload_type, sound: None })
            }
            Granted::Datagrams(delivery) => {
                self.transports.delivery = Some(delivery);
                let silence_us = self.transports.is_free().then_some(RTSP_UDP_SILENCE_US_MAX);
                RtpRoute::Datagrams { payload_type, sound: None, silence_us }
            }
        }
    }

    /// The camera refused a transport: asks for the next one.
    pub(super) fn next_transport(&mut self) -> Result<(), DialogError> {
        let Stage::Setup(setup) = &self.stage else { return Ok(()) };
        let refused = self.transports.now;
        match self.transports.next(setup.described.group.is_some()) {
            true => self.ask(),
            false if self.transports.is_free() => Err(DialogError::NoTransport(None)),
            false => Err(DialogError::NoTransport(Some(refused))),
        }
    }
}
