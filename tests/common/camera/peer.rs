//! One client of a camera: its requests, then its stream.

use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::Ordering::Relaxed;

use mio::net::TcpStream;
use weir::clock;

use super::datagrams::Datagrams;
use super::picture::{Noise, Stamp};
use super::playing::Playing;
use super::port::Port;
use super::rtsp::{self, Next, Request, SOUND_TRACK};
use super::{Behaviour, Site};

/// What a client that reads nothing may leave in our memory, and a frame.
const OUTBOX_BYTES_MAX: usize = 8 << 20;
const NONCE: &str = "5f2a9c1e77d04b36";

/// What follows from a client's turn.
pub(super) enum Flow {
    On,
    /// It plays; its first frame is due then.
    Starts(u64),
    Ends,
}

pub(super) struct Peer {
    stream: TcpStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// What is to be said behind the frame that is being sent.
    answers: Vec<u8>,
    site: Option<usize>,
    channel: u8,
    sound_channel: Option<u8>,
    /// Where its stream goes if that is not the connection.
    datagrams: Option<Datagrams>,
    playing: Option<Playing>,
    /// Where its camera writes no faster than a port does.
    port: Option<Port>,
}

impl Peer {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            inbox: Vec::new(),
            outbox: Vec::new(),
            answers: Vec::new(),
            site: None,
            channel: 0,
            sound_channel: None,
            datagrams: None,
            playing: None,
            port: None,
        }
    }

    /// Reads and answers what came, and sends what is left.
    pub(super) fn turn(&mut self, sites: &[Site]) -> Flow {
        let is_deaf = self.site.is_some_and(|at| !sites[at].mount.reads) && self.playing.is_some();
        let mut chunk = [0; 4096];
        let open = is_deaf
            || loop {
                match self.stream.read(&mut chunk) {
                    Ok(0) => break false,
                    Ok(bytes) => self.inbox.extend_from_slice(&chunk[..bytes]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => break false,
                }
            };
        let mut flow = if open { Flow::On } else { Flow::Ends };
        loop {
            match rtsp::next(&mut self.inbox) {
                Next::Unfinished => break,
                Next::Garbage => return Flow::Ends,
                Next::Interleaved(_) => {
                    if let Some(site) = self.site {
                        sites[site].counts.reports.fetch_add(1, Relaxed);
                    }
                }
                Next::Request(request) => match self.answer(sites, &request) {
                    Flow::On => {}
                    other => flow = other,
                },
            }
        }
        if self.flush() { flow } else { Flow::Ends }
    }

    fn answer(&mut self, sites: &[Site], request: &Request) -> Flow {
        let path = request.uri.split("://").last().unwrap_or_default();
        let name = path.split('/').nth(1).unwrap_or_default();
        let known = sites.iter().position(|site| site.mount.name == name);
        let Some((at, site)) = known.map(|at| (at, &sites[at])) else {
            let status = if request.method == "OPTIONS" { "200 OK" } else { "404 Not Found" };
            return self.say(request, status, &[], "");
        };
        self.site = Some(at);
        let login = &site.mount.login;
        if *site.behaviour.lock().expect("not poisoned") == Behaviour::Close {
            return Flow::Ends;
        }
        if request.method != "OPTIONS" && !request.allowed(login, NONCE) {
            site.counts.unauthorized.fetch_add(1, Relaxed);
            let challenge = login.challenge(NONCE);
            return self.say(request, "401 Unauthorized", &[("WWW-Authenticate", &challenge)], "");
        }
        self.granted(site, request)
    }

    fn granted(&mut self, site: &Site, request: &Request) -> Flow {
        let counts = &site.counts;
        match request.method.as_str() {
            "OPTIONS" | "GET_PARAMETER" => {
                if self.playing.is_some() {
                    counts.keepalives.fetch_add(1, Relaxed);
                }
                let methods = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER";
                self.say(request, "200 OK", &[("Public", methods)], "")
            }
            "DESCRIBE" => {
                counts.describes.fetch_add(1, Relaxed);
                let base = format!("{}/", request.uri);
                let headers =
                    [("Content-Base", base.as_str()), ("Content-Type", "application/sdp")];
                let plain = rtsp::description_of(site.mount.codec, site.mount.sound.as_ref());
                let sdp = site.mount.sdp.as_ref().unwrap_or(&plain);
                self.say(request, "200 OK", &headers, sdp)
            }
            "SETUP" if site.mount.udp => self.set_up_datagrams(request),
            "SETUP" => {
                let Some(channel) = request.channel() else {
                    return self.say(request, "461 Unsupported Transport", &[], "");
                };
                let is_sound = request.uri.ends_with(SOUND_TRACK);
                if is_sound && site.mount.sound.as_ref().is_none_or(|sound| sound.is_refused) {
                    return self.say(request, "404 Not Found", &[], "");
                }
                if is_sound {
                    self.sound_channel = Some(channel);
                } else {
                    self.channel = channel;
                }
                let control = u16::from(channel) + 1;
                let transport = format!("RTP/AVP/TCP;unicast;interleaved={channel}-{control}");
                let headers = [("Transport", transport.as_str()), ("Session", "77DA;timeout=60")];
                self.say(request, "200 OK", &headers, "")
            }
            "PLAY" => {
                counts.plays.fetch_add(1, Relaxed);
                self.say(request, "200 OK", &[("Session", "77DA"), ("Range", "npt=0-")], "");
                Flow::Starts(self.start(site))
            }
            "TEARDOWN" => {
                counts.teardowns.fetch_add(1, Relaxed);
                self.say(request, "200 OK", &[("Session", "77DA")], "");
                self.flush();
                Flow::Ends
            }
            _ => self.say(request, "501 Not Implemented", &[], ""),
        }
    }

    fn set_up_datagrams(&mut self, request: &Request) -> Flow {
        let client = self.stream.peer_addr().map(|address| address.ip());
        let opened = request.client_ports().zip(client.ok());
        self.datagrams = opened.and_then(|(ports, client)| Datagrams::open(client, ports));
        let Some(datagrams) = &self.datagrams else {
            return self.say(request, "461 Unsupported Transport", &[], "");
        };
        let (ports, port) = (request.client_ports().unwrap_or_default(), datagrams.port());
        let transport = format!("RTP/AVP;unicast;client_port={ports};server_port={port}");
        let headers = [("Transport", transport.as_str()), ("Session", "77DA;timeout=60")];
        self.say(request, "200 OK", &headers, "")
    }

    fn say(
        &mut self,
        request: &Request,
        status: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Flow {
        let is_within_frame = self.port.as_ref().is_some_and(Port::is_within_frame);
        let out = if is_within_frame { &mut self.answers } else { &mut self.outbox };
        out.extend(request.answer(status, headers, body));
        Flow::On
    }

    /// Its connection is closed.
    pub(super) fn leave(self, sites: &[Site]) {
        if let Some(at) = self.site.filter(|_| self.playing.is_some()) {
            sites[at].counts.sessions.fetch_sub(1, Relaxed);
        }
    }

    fn start(&mut self, site: &Site) -> u64 {
        if self.playing.is_none() {
            let sessions = site.counts.sessions.fetch_add(1, Relaxed) + 1;
            site.counts.sessions_max.fetch_max(sessions, Relaxed);
        }
        let playing = Playing::new(site, self.channel, self.sound_channel);
        let first_us = playing.first_us;
        self.playing = Some(playing);
        self.port = site.mount.port_mbit_s.map(Port::new);
        first_us
    }

    /// Writes the frame that was due at `at_us`; when the next one is, or `None` for the end.
    pub(super) fn frame(&mut self, sites: &[Site], noise: &Noise, at_us: u64) -> Option<u64> {
        let site = &sites[self.site?];
        let behaviour = *site.behaviour.lock().expect("not poisoned");
        if behaviour == Behaviour::Close {
            return None;
        }
        let playing = self.playing.as_mut()?;
        let halted = match behaviour {
            Behaviour::Withhold(_) => !playing.held.is_empty(),
            other => other == Behaviour::Silent,
        };
        // A camera whose network is slow leaves frames out.
        if !halted && self.outbox.len() <= OUTBOX_BYTES_MAX {
            let mut burst = std::mem::take(&mut playing.held);
            burst.append(&mut site.injected.lock().expect("not poisoned"));
            let mut stamp = playing.burst(site, noise, at_us, &mut burst);
            let written = match behaviour {
                Behaviour::Withhold(bytes) => bytes.min(burst.len()),
                Behaviour::Stall => 0,
                _ => burst.len(),
            };
            playing.held = burst.split_off(written);
            // What was recorded is what is sent.
            if (!playing.held.is_empty() || site.mount.record)
                && let Some(made) = stamp.take()
            {
                site.count_frame(made.time_us);
            }
            match &mut self.port {
                Some(port) => port.put(burst, stamp, at_us),
                None => self.write(site, &mut burst, stamp),
            }
            let late_us = clock::now_us().saturating_sub(at_us);
            site.counts.late_us_max.fetch_max(late_us, Relaxed);
        }
        let playing = self.playing.as_mut()?;
        playing.frame += 1;
        let period_us = u64::from(playing.frame) * 1_000_000;
        Some(playing.first_us + period_us / u64::from(site.mount.frames_per_s()))
    }

    /// When its first packet of sound leaves, if each has a time of its own.
    pub(super) fn first_sound_us(&self, sites: &[Site]) -> Option<u64> {
        let is_apart = sites[self.site?].mount.sound_apart;
        self.playing.as_ref().filter(|_| is_apart)?.first_sound_us()
    }

    /// Writes the packet of sound that leaves at `at_us`; when the next one does.
    pub(super) fn sound(&mut self, sites: &[Site], at_us: u64) -> Option<u64> {
        let site = &sites[self.site?];
        let mut packet = Vec::new();
        let next_us = self.playing.as_mut()?.sound(site, at_us, &mut packet);
        match &mut self.port {
            Some(port) if !packet.is_empty() => port.put(packet, None, at_us),
            _ => self.write(site, &mut packet, None),
        }
        Some(next_us)
    }

    /// Writes what has left its camera's port by now.
    pub(super) fn pieces(&mut self, sites: &[Site]) {
        let Some(site) = self.site.map(|at| &sites[at]) else {
            return;
        };
        let now_us = clock::now_us();
        while let Some(mut piece) = self.port.as_mut().and_then(|port| port.take(now_us)) {
            self.write(site, &mut piece.bytes, piece.stamp);
            if !self.port.as_ref().is_some_and(Port::is_within_frame) {
                self.outbox.append(&mut self.answers);
                self.flush();
            }
        }
        if let Some(port) = &mut self.port {
            port.unlist();
        }
    }

    /// When [`Self::pieces`] is to be called, unless a call is due already.
    pub(super) fn next_piece(&mut self) -> Option<u64> {
        self.port.as_mut()?.list()
    }

    /// Writes `burst`, its stamp brought up to date at the last moment.
    fn write(&mut self, site: &Site, burst: &mut [u8], stamp: Option<Stamp>) {
        if let Some(mut stamp) = stamp {
            stamp.time_us = clock::now_us();
            stamp.put(burst);
            site.count_frame(stamp.time_us);
        }
        if let Some(datagrams) = &mut self.datagrams {
            let refused = datagrams.send(burst);
            site.counts.stalls.fetch_add(refused, Relaxed);
            return;
        }
        let mut written = 0;
        if self.outbox.is_empty() {
            written = self.stream.write(burst).unwrap_or(0);
        }
        if written < burst.len() {
            site.counts.stalls.fetch_add(1, Relaxed);
            self.outbox.extend_from_slice(&burst[written..]);
        }
    }

    /// Sends what is left; whether the connection still stands.
    fn flush(&mut self) -> bool {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(bytes) => drop(self.outbox.drain(..bytes)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}
