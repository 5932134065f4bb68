//! The media thread's event loop.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use tokio::sync::Notify;

use crate::clock;
use crate::limits::{CAMERAS_MAX, PARAMETER_SETS_MAX};
use crate::mem::heap;
use crate::net::udp::Socket;
use crate::rtsp::{CameraTrack, Ready};
use crate::status::{self, TABLES};
use crate::stream::store::{self, make_room};
use crate::webrtc::ended::Ended;

use super::cameras::{GOODBYE_US, RingSink, Tokens};
use super::memory::Memory;
use super::pending::PendingStreams;
use super::wakeups::Wakeups;
use super::{Command, HandshakeDatagram, Lost, Play, Settings};

/// The token of control's wake-ups.
pub(super) const WAKER: Token = Token(0);
const SOCKET: Token = Token(1);
/// The camera in slot n has the token n + 2, and as many further on those of the sockets of its
/// datagrams: RTP and RTCP of the picture, RTP and RTCP of the sound.
const CAMERA_0: usize = 2;
/// Tokens of a camera.
const CAMERA_TOKENS: usize = 5;

/// Time between two reviews of time-outs and statistics.
const REVIEW_US: u64 = 100_000;
/// Reviews between two counts of what the chunks are held for. A count looks at every chunk.
const REVIEWS_BETWEEN_COUNTS: u64 = 10;
/// Reads after which the batch is flushed even if there is more to read.
const READS_BEFORE_FLUSH: usize = 16;

/// The queues to and from control.
pub(super) struct ControlLink {
    pub(super) commands: Receiver<Command>,
    pub(super) datagrams: SyncSender<HandshakeDatagram>,
    pub(super) wakeup: Arc<Notify>,
}

/// The media thread's state.
pub(super) struct EventLoop {
    pub(super) memory: &'static mut Memory,
    poll: Poll,
    pub(super) socket: Arc<Socket>,
    pub(super) port: u16,
    pub(super) control: ControlLink,
    pub(super) pending: PendingStreams,
    /// The media socket is full; nothing is sealed until it is writable.
    pub(super) is_blocked: bool,
    /// The media socket is registered for writability as well.
    pub(super) is_awaiting_room: bool,
    /// In this iteration a camera was not read because the chunk pool is too empty.
    is_short: bool,
    /// The media socket still holds datagrams.
    pub(super) has_datagrams: bool,
    /// The media socket's error queue may hold more ICMP errors.
    pub(super) has_errors: bool,
    /// ICMP errors received since the start.
    pub(super) icmp_errors: u64,
    /// The monotonic time of this iteration.
    pub(super) now_us: u64,
    /// The time of the iteration in which the batch was sealed, while it waits for the socket.
    pub(super) sealed_us: Option<u64>,
    review_us: u64,
    reads: usize,
    wakeups: Wakeups,
    /// Set by a shutdown: the time at which the thread ends at the latest.
    goodbye_us: Option<u64>,
}

impl EventLoop {
    pub(super) fn new(
        memory: &'static mut Memory,
        poll: Poll,
        socket: Arc<Socket>,
        control: ControlLink,
        settings: Settings,
    ) -> io::Result<Self> {
        let port = socket.port()?;
        let fd = socket.as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), SOCKET, Interest::READABLE)?;
        memory.cameras.prepare();
        if !socket.has_gso() {
            memory.batch.disable_gso();
        }
        for stream in &mut memory.streams {
            stream.configure(settings.payload_bytes);
        }
        for sound in &mut memory.sounds {
            sound.configure(settings.payload_bytes);
        }
        Ok(Self {
            memory,
            poll,
            socket,
            port,
            control,
            pending: PendingStreams::new(),
            is_blocked: false,
            is_awaiting_room: false,
            is_short: false,
            has_datagrams: false,
            has_errors: false,
            icmp_errors: 0,
            now_us: clock::now_us(),
            sealed_us: None,
            review_us: 0,
            reads: 0,
            wakeups: Wakeups::default(),
            goodbye_us: None,
        })
    }

    /// Runs until a shutdown is complete.
    pub(super) fn run(&mut self) {
        let mut events = Events::with_capacity(CAMERA_TOKENS * CAMERAS_MAX + CAMERA_0);
        // Allocations are counted from here on, and none is expected.
        heap::count_this_thread();
        while !self.is_done() {
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, Some(timeout)) {
                assert_eq!(error.kind(), io::ErrorKind::Interrupted, "the queue is ours");
                continue;
            }
            self.now_us = clock::now_us();
            self.wakeups.count(events.iter().count());
            self.iterate(&events);
            if self.wakeups.keep_distance() && !self.has_datagrams && !self.has_errors {
                thread::sleep(Wakeups::rest(self.now_us, clock::now_us()));
            }
        }
    }

    fn iterate(&mut self, events: &Events) {
        self.is_short = false;
        for event in events {
            match event.token() {
                WAKER => self.handle_commands(),
                SOCKET => {
                    self.has_datagrams |= event.is_readable();
                    self.has_errors |= event.is_error();
                    if event.is_writable() {
                        self.flush();
                    }
                }
                Token(token) => {
                    let slot = (token - CAMERA_0) % CAMERAS_MAX;
                    match (token - CAMERA_0) / CAMERAS_MAX {
                        0 if self.memory.cameras.has_datagrams(slot) => self.read_messages(slot),
                        0 => {
                            if event.is_read_closed() {
                                self.memory.cameras.ends(slot);
                            }
                            self.read(slot);
                        }
                        1 => self.read(slot),
                        2 => self.read_rtcp(slot, CameraTrack::Picture),
                        3 => self.read_sound(slot),
                        _ => self.read_rtcp(slot, CameraTrack::Sound),
                    }
                }
            }
        }
        self.read_what_was_left(events);
        if self.has_datagrams {
            self.has_datagrams = false;
            self.receive();
        }
        if self.has_errors {
            self.has_errors = false;
            self.take_errors();
        }
        if !self.pending.is_empty() {
            self.serve_pending();
        }
        if !self.memory.batch.is_empty() && !self.is_awaiting_room {
            self.flush();
        }
        if self.now_us >= self.review_us {
            self.review();
        }
        if self.memory.cameras.take_asked() {
            self.control.wakeup.notify_one();
        }
    }

    /// How long the poll may wait when no event comes.
    fn timeout(&self) -> Duration {
        if self.has_datagrams || self.has_errors {
            return Duration::ZERO;
        }
        let cameras = &self.memory.cameras;
        let readable =
            cameras.unread().iter().filter(|slot| !self.is_held(*slot) && !self.is_short);
        let unread_us = readable.filter_map(|slot| cameras.unread_us(slot));
        let sound_us = cameras.sound_due().iter().map(|slot| cameras.sound_due_us(slot));
        let due_us = unread_us.chain(sound_us).min().unwrap_or(u64::MAX).min(self.review_us);
        let review = Duration::from_micros(due_us.saturating_sub(self.now_us));
        if self.is_short && !self.is_blocked {
            return review.min(Duration::from_millis(1));
        }
        if self.pending.is_empty() || self.is_blocked {
            return review;
        }
        // A viewer has used up its pace; the pacer refills with the next millisecond.
        review.min(Duration::from_millis(1))
    }

    fn handle_commands(&mut self) {
        while let Ok(command) = self.control.commands.try_recv() {
            TABLES.commands.give();
            match command {
                Command::Play(play) => self.play(*play),
                Command::Stop { camera } => self.stop(usize::from(camera)),
                Command::Expect(expect) => self.expect(*expect),
                Command::Live(promote) => self.promote(*promote),
                Command::Restart(restart) => self.restart(*restart),
                Command::End { session, ended } => self.end(session, ended),
                Command::Shutdown => self.begin_goodbye(),
            }
        }
    }

    fn play(&mut self, play: Play) {
        let Play { camera, socket, datagrams, ready } = play;
        let Ready { session, video, sound, .. } = *ready;
        let slot = usize::from(camera);
        let Memory { streams, sounds, chunks, cameras, .. } = &mut *self.memory;
        let sets = video.parameter_sets.iter().map(Vec::as_slice).take(PARAMETER_SETS_MAX);
        let sets: heapless::Vec<&[u8], PARAMETER_SETS_MAX> = sets.collect();
        if streams[slot].codec() != video.codec {
            // Control has ended the viewers of the other codec.
            streams[slot].renew(chunks);
            status::CAMERAS[slot].reset();
        }
        sounds[slot].connect(sound.track().map(|track| (track.payload_type, track.codec)));
        cameras.set_sound(slot, sound.track().is_some());
        sounds[slot].report(&status::CAMERAS[slot]);
        streams[slot].connect(video.codec, video.payload_type, &sets);
        status::CAMERAS[slot].lost.store(0, Release);
        let token = |kind: usize| Token(CAMERA_0 + kind * CAMERAS_MAX + slot);
        let (picture, sound) = ([token(1), token(2)], [token(3), token(4)]);
        let tokens = Tokens { connection: token(0), picture, sound };
        let (sockets, registry) = ((socket, datagrams), self.poll.registry());
        let played = cameras.play(slot, sockets, session, registry, tokens, self.now_us);
        if let Err(why) = played {
            self.lose(slot, why);
        }
    }

    /// Makes a slot ready for another camera, or for the same camera at another address.
    fn stop(&mut self, slot: usize) {
        let Memory { streams, sounds, chunks, cameras, .. } = &mut *self.memory;
        streams[slot].renew(chunks);
        sounds[slot].renew();
        status::CAMERAS[slot].reset();
        if cameras.is_connected(slot) {
            cameras.leave(slot, self.now_us);
        } else {
            self.say_lost(slot, Lost::Stopped);
        }
    }

    /// Whether a viewer that was up to date still lacks packets of this camera.
    fn is_held(&self, slot: usize) -> bool {
        self.is_blocked || self.pending.is_held(slot)
    }

    /// Reads one camera and serves its viewers. While the slot is held, the data stays in the
    /// camera's socket, and TCP flow control makes the camera wait.
    fn read(&mut self, slot: usize) {
        let now_us = self.now_us;
        let is_held = self.is_held(slot);
        let Memory {
            streams, sounds, chunks, given_up, carry, reorder, read_scratch, cameras, ..
        } = &mut *self.memory;
        if !cameras.is_leaving(slot) {
            let has_room = !is_held && make_room(streams, chunks, given_up, slot, now_us);
            if !has_room {
                self.is_short |= !is_held;
                cameras.put_off(slot, now_us);
                return;
            }
        }
        streams[slot].begin_read();
        streams[slot].hold_unserved();
        let (stream, sound) = (&mut streams[slot], &mut sounds[slot]);
        let has_sound = cameras.has_sound(slot);
        let stats = &status::CAMERAS[slot];
        let mut sink = RingSink { stream, sound, chunks, stats, has_sound, now_us };
        let read = cameras.read(slot, read_scratch, (carry, reorder), &mut sink);
        // Packets read before the connection ended are served too; their chunks are held until
        // then.
        if !matches!(read, Ok(false)) {
            self.serve(slot);
        }
        if let Err(why) = read {
            self.lose(slot, why);
        }
        self.reads += 1;
        if self.reads >= READS_BEFORE_FLUSH && !self.is_awaiting_room {
            self.reads = 0;
            self.flush();
        }
    }

    /// Reads the datagrams of one camera's sound and serves its viewers, whatever the picture waits
    /// for.
    fn read_sound(&mut self, slot: usize) {
        let now_us = self.now_us;
        let Memory { streams, sounds, chunks, reorder, read_scratch, cameras, .. } =
            &mut *self.memory;
        let (stream, sound) = (&mut streams[slot], &mut sounds[slot]);
        let has_sound = cameras.has_sound(slot);
        let stats = &status::CAMERAS[slot];
        let mut sink = RingSink { stream, sound, chunks, stats, has_sound, now_us };
        match cameras.read_sound(slot, read_scratch, reorder, &mut sink) {
            Ok(true) => self.serve(slot),
            Ok(false) => {}
            Err(why) => self.lose(slot, why),
        }
    }

    /// Reads the reports that a camera sent as datagrams to the port of a track.
    fn read_rtcp(&mut self, slot: usize, track: CameraTrack) {
        let now_us = self.now_us;
        let Memory { streams, sounds, chunks, cameras, .. } = &mut *self.memory;
        let (stream, sound) = (&mut streams[slot], &mut sounds[slot]);
        let has_sound = cameras.has_sound(slot);
        let stats = &status::CAMERAS[slot];
        let mut sink = RingSink { stream, sound, chunks, stats, has_sound, now_us };
        cameras.read_rtcp(slot, track, &mut sink);
    }

    /// Reads what a camera whose RTP comes as datagrams says on its connection.
    fn read_messages(&mut self, slot: usize) {
        let Memory { carry, read_scratch, cameras, .. } = &mut *self.memory;
        if let Err(why) = cameras.read_messages(slot, read_scratch, carry, self.now_us) {
            self.lose(slot, why);
        }
    }

    /// Reads cameras whose last read filled the scratch buffer or used up the camera's read budget.
    fn read_what_was_left(&mut self, events: &Events) {
        let left = self.memory.cameras.unread().or(self.memory.cameras.sound_due());
        for slot in left.iter() {
            let unread_us = self.memory.cameras.unread_us(slot);
            if unread_us.is_some_and(|at_us| at_us <= self.now_us) && !self.is_new(slot, events) {
                self.read(slot);
            }
            if self.memory.cameras.sound_due_us(slot) <= self.now_us {
                self.read_sound(slot);
            }
        }
    }

    /// Whether a camera's picture was read in this iteration already, for an event.
    fn is_new(&self, slot: usize, events: &Events) -> bool {
        let kind = if self.memory.cameras.has_datagrams(slot) { CAMERAS_MAX } else { 0 };
        let token = Token(CAMERA_0 + kind + slot);
        events.iter().any(|event| event.token() == token)
    }

    /// Gives up a connection. The camera gets a TEARDOWN if it still listens.
    fn lose(&mut self, slot: usize, why: Lost) {
        let Memory { streams, sounds, chunks, carry, reorder, cameras, .. } = &mut *self.memory;
        let why = if cameras.is_leaving(slot) { Lost::Stopped } else { why };
        if matches!(why, Lost::Silent | Lost::Refused | Lost::Unanswered | Lost::NoDatagrams) {
            cameras.leave(slot, self.now_us);
        }
        cameras.drop(slot, self.poll.registry(), (carry, reorder));
        streams[slot].disconnect(chunks, self.now_us);
        streams[slot].report(chunks, &status::CAMERAS[slot], self.now_us);
        sounds[slot].disconnect();
        sounds[slot].report(&status::CAMERAS[slot]);
        self.say_lost(slot, why);
    }

    fn say_lost(&self, slot: usize, why: Lost) {
        status::CAMERAS[slot].lost.store(why as u8, Release);
        self.control.wakeup.notify_one();
    }

    /// Checks time-outs and copies the statistics, every [`REVIEW_US`].
    fn review(&mut self) {
        self.review_us = self.now_us + REVIEW_US;
        self.wakeups.review();
        for slot in 0..CAMERAS_MAX {
            let silent = self.memory.cameras.timeout(slot, &status::CAMERAS[slot], self.now_us);
            let Memory { streams, sounds, chunks, .. } = &mut *self.memory;
            sounds[slot].report(&status::CAMERAS[slot]);
            match status::CAMERAS[slot].viewers.load(Relaxed) {
                0 => streams[slot].not_looked_at(),
                _ => streams[slot].looked_at(self.now_us),
            }
            // Called without a camera too, so that old history is given back.
            streams[slot].report(chunks, &status::CAMERAS[slot], self.now_us);
            if let Err(why) = silent {
                self.lose(slot, why);
            }
        }
        self.review_sessions();
        let gauges = &status::GAUGES;
        let counters = self.memory.batch.counters;
        gauges.udp_calls.store(counters.calls, Relaxed);
        gauges.udp_messages.store(counters.messages, Relaxed);
        gauges.udp_packets.store(counters.packets, Relaxed);
        gauges.udp_refused.store(counters.refused, Relaxed);
        gauges.udp_blocked.store(counters.blocked, Relaxed);
        gauges.icmp_errors.store(self.icmp_errors, Relaxed);
        gauges.gso.store(u64::from(self.memory.batch.has_gso()), Relaxed);
        let [small, medium, large] = self.memory.carry.counts();
        TABLES.carry_small.copy(small);
        TABLES.carry_medium.copy(medium);
        TABLES.carry_large.copy(large);
        TABLES.reorder.copy(self.memory.reorder.counts());
        TABLES.ring_chunks.copy(self.memory.chunks.usage());
        let reviews = gauges.media_reviews.fetch_add(1, Relaxed);
        if reviews.is_multiple_of(REVIEWS_BETWEEN_COUNTS) {
            self.report_store();
        }
    }

    /// Reports what the ring chunks are held for, and what was given up for lack of chunks.
    fn report_store(&self) {
        let Memory { streams, chunks, given_up, .. } = &*self.memory;
        let held = store::held(streams, chunks, self.now_us);
        let gauges = &status::GAUGES;
        gauges.ring_unserved_chunks.store(held.unserved as u64, Relaxed);
        gauges.ring_history_chunks.store(held.history as u64, Relaxed);
        gauges.ring_key_frame_chunks.store(held.key_frame as u64, Relaxed);
        gauges.ring_group_chunks.store(held.group as u64, Relaxed);
        gauges.ring_groups_given_up.store(given_up.groups, Relaxed);
        gauges.ring_key_frames_given_up.store(given_up.key_frames, Relaxed);
        gauges.ring_history_given_up.store(given_up.history_chunks, Relaxed);
    }

    /// Registers the media socket for writability, or no longer.
    pub(super) fn await_room(&mut self, is_awaiting: bool) {
        let interest =
            if is_awaiting { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let fd = self.socket.as_raw_fd();
        let registered = self.poll.registry().reregister(&mut SourceFd(&fd), SOCKET, interest);
        self.is_awaiting_room = is_awaiting && registered.is_ok();
    }

    fn begin_goodbye(&mut self) {
        self.end_all(Ended::Stopping);
        for slot in 0..CAMERAS_MAX {
            self.memory.cameras.leave(slot, self.now_us);
        }
        self.goodbye_us = Some(self.now_us + GOODBYE_US);
        self.review_us = self.review_us.min(self.now_us + GOODBYE_US);
    }

    fn is_done(&self) -> bool {
        let is_anybody_left =
            || (0..CAMERAS_MAX).any(|slot| self.memory.cameras.is_connected(slot));
        self.goodbye_us.is_some_and(|at_us| self.now_us >= at_us || !is_anybody_left())
    }
}
