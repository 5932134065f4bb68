//! The instruments that weir's tests and its bench stand on. None of them shares code with the
//! part of weir it judges; what they do share is the clock and the handshake's crypto provider.
//!
//! - [`agent`]: an ICE agent that leaves everything but the checks to the test.
//! - [`annexb`]: a recorded byte stream as access units.
//! - [`openssl`]: its `s_client` as DTLS peer and judge.
//! - [`churn`]: viewers that come and go; [`full_load`]: those who stay meanwhile.
//! - [`slow_clients`]: HTTP clients that take and do not give.
//! - [`gateway`]: HTTP in front of HTTPS; [`slow_camera`]: cameras that make a dial hold its most.
//! - [`flood`]: datagrams that mean nothing, thousands a second.
//! - [`ffmpeg`]: encoder and judge of pictures; [`gstreamer`]: its RTSP server as a camera;
//!   [`onvif_camera`]: the same with ONVIF.
//! - [`fixture`]: one camera and a weir that serves it.
//! - [`server`]: the weir program as a process, with its configuration, its log and its figures.
//! - [`cable`]: a serial cable with somebody at its end.
//! - [`camera`]: simulated RTSP cameras, well-behaved or not, all in one thread.
//! - [`quirks`]: a camera with the habits of real ones.
//! - [`raw_camera`]: a camera whose bytes are the test's once it was asked to play.
//! - [`udp_camera`]: a camera that sends by UDP, through a network of the test's.
//! - [`viewer`]: WHEP viewers; [`key_extractor`] takes the keys out of their handshake, [`srtp`]
//!   and [`rtcp`] speak with them, [`reception`] keeps the ledger of what arrived,
//!   [`first_picture`] waits for a whole key frame.
//! - [`recording`]: RTP that others have recorded.
//! - [`reassemble`]: RTP packets back into access units, strictly.
//! - [`window`]: a time in which cameras and viewers count the same frames.
//! - [`chunking_relay`]: a TCP relay in front of a camera that decides where weir's reads end.
//! - [`relay`]: a UDP relay in front of the media port that loses, delays and counts.
//! - [`process`]: CPU time and memory of a process; [`pprof`]: a reader of profiles.
//! - [`retina_client`]: retina as another client of a camera.
//! - [`tls`]: openssl, curl and rustls as clients of HTTPS.
//! - [`tls_front`]: openssl in front of a camera.
//! - [`ptrace`]: one thread of a process, stopped.
//! - [`whep`]: the HTTP requests of all of them.
//!
//! An integration test takes them in by `mod common;` and uses a part of them.
#![allow(dead_code, unreachable_pub)]

pub mod agent;
pub mod annexb;
pub mod cable;
pub mod camera;
pub mod chunking_relay;
pub mod churn;
pub mod ffmpeg;
pub mod first_picture;
pub mod fixture;
pub mod flood;
pub mod full_load;
pub mod gateway;
pub mod gstreamer;
pub mod key_extractor;
pub mod onvif_camera;
pub mod openssl;
pub mod pprof;
pub mod process;
pub mod ptrace;
pub mod quirks;
pub mod raw_camera;
pub mod reassemble;
pub mod reception;
pub mod recording;
pub mod relay;
pub mod retina_client;
pub mod rtcp;
pub mod rtp;
pub mod server;
pub mod slow_camera;
pub mod slow_clients;
pub mod srtp;
pub mod tls;
pub mod tls_front;
pub mod udp_camera;
pub mod viewer;
pub mod whep;
pub mod window;
