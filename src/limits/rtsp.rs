//! Bounds of dialling cameras, and of what they may send.

use super::{CAMERA_READ_BYTES_MIN, CARRY_LARGE_BYTES, KIB, PROFILE};

/// Cameras dialled at once; the others wait.
pub const CAMERAS_DIALLED_MAX: usize = 8;
/// The time limit of a dial, from the connection's begin to the answer of SETUP.
pub const CAMERA_DIAL_MS_MAX: u64 = 10_000;
/// The time limit of connecting to a camera: one that is off holds up the dials of others no
/// longer. SYN is repeated after 1 and 3 s.
pub const CAMERA_CONNECT_MS_MAX: u64 = 4_000;
/// The wait before a camera that was lost is dialled again; doubled for each further try.
pub const CAMERA_RETRY_MS_MIN: u64 = 1_000;
/// The shortest wait between two dials of a camera if the first has failed, and of a host that did
/// not answer or refused a login.
pub const CAMERA_HOST_REST_MS: u64 = 5_000;
/// Cameras without an answer from which on a switch or the power is likelier than each of them: one
/// is dialled every 5 s, so each every 20 s at most.
pub const CAMERAS_GONE_MIN: usize = 4;
/// The longest wait between two tries, and the one for a camera that needs a person.
pub const CAMERA_RETRY_MS_MAX: u64 = 60_000;
/// A host that does not answer this soon after it refused a login seems to ban weir. Cameras do so
/// for 5 to 30 minutes.
pub const CAMERA_BAN_US: u64 = 30 * 60 * 1_000_000;
/// A camera that has played this long is dialled again as if for the first time.
pub const CAMERA_SETTLED_US: u64 = 10_000_000;

/// Bytes of an RTSP message head.
pub const RTSP_HEAD_BYTES_MAX: usize = 8 * KIB;
/// Bytes of the body of a DESCRIBE answer (Hikvision's largest is 1.5 KiB).
pub const RTSP_BODY_BYTES_MAX: usize = 16 * KIB;
/// Bytes of a camera's URL, configured or from a redirect; ONVIF profiles with tokens reach 250.
/// `weir check` and the dialog refuse a longer one, both with the numbers.
pub const RTSP_URL_BYTES_MAX: usize = 512;
/// Bytes of a URL in a request: the camera's own followed by a track, or the one that the camera
/// announced instead. The dialog fails on a longer one.
pub const RTSP_REQUEST_URL_BYTES_MAX: usize = RTSP_URL_BYTES_MAX + 256;
/// Bytes of a session id; the longest seen has 32. The dialog fails on a longer one.
pub const RTSP_SESSION_ID_BYTES_MAX: usize = 128;
/// Bytes of a user's name at a camera. `weir check` refuses a longer one.
pub const RTSP_USER_BYTES_MAX: usize = 64;
/// Bytes of a camera's password, configured or in a `password_file`; some are tokens. `weir check`
/// refuses a longer one. It does not make requests longer: Basic with it is shorter than Digest.
pub const RTSP_PASSWORD_BYTES_MAX: usize = 256;
/// Bytes of the nonce of a Digest challenge. A longer challenge counts as not understood.
pub const RTSP_NONCE_BYTES_MAX: usize = 256;
/// Bytes of its realm, and of its opaque.
pub const RTSP_REALM_BYTES_MAX: usize = 128;
/// Bytes of requests waiting to be written to a camera; part of the memory of every camera.
pub const RTSP_TRANSMIT_BYTES_MAX: usize = 2816;
/// Bytes of a request without the parts that cameras and the configuration determine.
const RTSP_REQUEST_BYTES: usize = 450;
/// The largest request with Digest: two URLs, a session id, nonce, realm, opaque, and a user with
/// each byte escaped.
const RTSP_DIGEST_REQUEST_BYTES_MAX: usize = 2 * RTSP_REQUEST_URL_BYTES_MAX
    + RTSP_SESSION_ID_BYTES_MAX
    + RTSP_NONCE_BYTES_MAX
    + 2 * RTSP_REALM_BYTES_MAX
    + 2 * RTSP_USER_BYTES_MAX
    + RTSP_REQUEST_BYTES;
/// The largest request with Basic.
const RTSP_BASIC_REQUEST_BYTES_MAX: usize = RTSP_REQUEST_URL_BYTES_MAX
    + RTSP_SESSION_ID_BYTES_MAX
    + (RTSP_USER_BYTES_MAX + 1 + RTSP_PASSWORD_BYTES_MAX).div_ceil(3) * 4
    + RTSP_REQUEST_BYTES;
const _: () = assert!(
    RTSP_TRANSMIT_BYTES_MAX >= RTSP_DIGEST_REQUEST_BYTES_MAX
        && RTSP_TRANSMIT_BYTES_MAX >= RTSP_BASIC_REQUEST_BYTES_MAX,
    "the longest request of a good configuration can be written"
);
/// Bytes of one read while a camera is dialled. Those that come with the last SETUP answer are
/// handed from the dialog to the session.
pub const RTSP_LEFTOVER_BYTES_MAX: usize = 4 * KIB;
/// Bytes of one dial that answer no request: noise, line ends, requests of the camera's own. More
/// fail the dial; cameras send none, or a message or two.
pub const RTSP_NOISE_BYTES_MAX: usize = 64 * KIB;
/// Redirects that one dialog follows.
pub const RTSP_REDIRECTS_MAX: u32 = 3;
/// Media sections of an SDP that are read; Hikvision's have 3. Further ones are ignored.
pub const RTSP_SDP_MEDIA_MAX: usize = 16;
/// Formats of a media section that are read; cameras have one.
pub const RTSP_SDP_FORMATS_MAX: usize = 16;
/// Frames per second that the SDP of a camera may say; more is no rate of a camera.
pub const RTSP_SDP_FRAMES_PER_S_MAX: f64 = 240.0;
/// Tracks besides the video that are set up, for a camera that plays only then.
pub const RTSP_OTHER_TRACKS_MAX: usize = 3;
/// PPS taken from an SDP; two are the most seen.
pub const RTSP_SDP_PPS_MAX: usize = 4;
/// Microseconds between two receiver reports to a camera; Arlo stops without one every 5 s.
pub const RTSP_REPORT_INTERVAL_US: u64 = 5_000_000;
/// A camera that is silent for this long gets a keepalive at once.
pub const RTSP_PROBE_US: u64 = 5_000_000;
/// A camera that is silent for this long is given up, as is one that does not answer PLAY for it.
pub const RTSP_SILENCE_US_MAX: u64 = 10_000_000;
/// Microseconds between two key frame requests to a camera; more are dropped.
pub const RTSP_KEY_FRAME_INTERVAL_US: u64 = 1_000_000;

/// `SO_SNDBUF` of the control thread's end of the socket pair by which a bridged camera's stream
/// comes to the media thread: a read and a half of that thread. The kernel takes twice this.
pub const BRIDGE_TO_MEDIA_BYTES: usize = 48 * KIB;
/// The same of the media thread's end, for requests and reports: more than it ever has to write.
pub const BRIDGE_TO_CAMERA_BYTES: usize = 8 * KIB;
/// Kernel memory of such a pair, both ways full; and of a tunnel's second connection, which carries
/// requests alone.
pub const BRIDGE_SOCKET_BYTES: usize =
    2 * (BRIDGE_TO_MEDIA_BYTES + BRIDGE_TO_CAMERA_BYTES) + super::CAMERA_SOCKET_BYTES;
/// Bytes that are read at once of a camera in a tunnel that is not encrypted.
pub const TUNNEL_READ_BYTES: usize = 8 * KIB;
/// How long the last requests to a bridged camera may take once the media thread has let it go.
pub const BRIDGE_GOODBYE_MS_MAX: u64 = 300;
/// Encrypted bytes that wait for a camera that does not read: the longest request, and as much as
/// TLS adds.
pub const CAMERA_SEALED_BYTES_MAX: usize = 8 * KIB;
/// Bytes of a `tls_ca` file: several certificates. The file is read at each dial.
pub const CAMERA_CA_FILE_BYTES_MAX: usize = 16 * KIB;
/// Bytes of the file with the pinned certificates: each has a fingerprint, host and port.
pub const CAMERA_PINS_FILE_BYTES_MAX: usize = super::CAMERAS_MAX * 512;

/// Datagrams that one call takes from a camera's UDP socket: as many of
/// [`CAMERA_DATAGRAM_BYTES`] as the scratch of the profiles has room for, so that a frame of 4
/// Mbit/s is one call.
pub const CAMERA_DATAGRAMS_MAX: usize = 18;
/// Room for a camera's datagram: what an Ethernet frame holds, and a little.
pub const CAMERA_DATAGRAM_BYTES: usize = 1536;
/// Room for a datagram of a camera that was seen to send larger ones, as fragments (Tapo: up to
/// 10 000 bytes). Longer ones are lost.
pub const CAMERA_LARGE_DATAGRAM_BYTES: usize = 10 * KIB;
/// What a datagram takes off a camera's read budget at least, so that a flood of empty ones is no
/// more work than one of small ones: 31 000 per second.
pub const CAMERA_DATAGRAM_COST_BYTES_MIN: usize = 256;
/// Bytes of an RTCP packet from a camera that are looked at; only the first part matters.
pub const CAMERA_RTCP_BYTES_MAX: usize = 128;
/// `SO_RCVBUF` of a camera's RTCP socket, and `SO_SNDBUF` of both its UDP sockets. The kernel
/// takes twice this.
pub const CAMERA_RTCP_BUFFER_BYTES: usize = 4 * KIB;
/// `SO_RCVBUF` of the socket for a camera's sound: some 0.25 s of packets of 20 ms. The kernel
/// takes twice this.
pub const CAMERA_SOUND_BUFFER_BYTES: usize = 16 * KIB;
/// Kernel memory of a camera's four UDP sockets, two each for picture and sound, with all buffers
/// full.
pub const CAMERA_DATAGRAM_SOCKETS_BYTES: usize = 2
    * (PROFILE.camera_datagram_buffer_bytes
        + CAMERA_SOUND_BUFFER_BYTES
        + 6 * CAMERA_RTCP_BUFFER_BYTES);
/// From this far ahead, a camera's sequence number starts a new sequence; below, it shows a gap.
pub const RTP_GAP_PACKETS_MAX: u16 = 3000;
/// Up to this far behind, a camera's packet is late or a duplicate; beyond, it starts a new
/// sequence.
pub const RTP_LATE_PACKETS_MAX: u16 = 100;
/// Packets of one camera that may wait for an earlier one, of those that the profile has for all
/// cameras: 0.1 s at 4 Mbit/s. Switches and access points that take two ways reorder by a few.
pub const REORDER_PACKETS_MAX: usize = 32;
/// How long packets wait for an earlier one before it counts as lost. Wi-Fi repeats a frame for
/// some 20 ms; after a loss nothing is shown before the next key frame anyway.
pub const REORDER_US_MAX: u64 = 100_000;
/// The same of its sound: 0.16 s of packets of 20 ms.
pub const REORDER_SOUND_PACKETS_MAX: usize = 8;
/// How long sound waits for an earlier packet. A browser hides the loss of one, while each wait
/// makes it play all that follows later.
pub const REORDER_SOUND_US_MAX: u64 = 60_000;
/// With `transport = "auto"`, how long a camera that has accepted PLAY may send nothing by UDP
/// before another transport is tried: then a firewall is on the way.
pub const RTSP_UDP_SILENCE_US_MAX: u64 = 3_000_000;

const _: () = {
    let scratch = PROFILE.read_scratch_bytes;
    assert!(CAMERA_DATAGRAMS_MAX * CAMERA_DATAGRAM_BYTES <= scratch, "one call has room");
    assert!(CAMERA_LARGE_DATAGRAM_BYTES <= CAMERA_READ_BYTES_MIN, "a read has room for one");
    assert!(CAMERA_DATAGRAM_COST_BYTES_MIN * CAMERA_DATAGRAMS_MAX <= CAMERA_READ_BYTES_MIN);
    assert!(REORDER_SOUND_PACKETS_MAX <= REORDER_PACKETS_MAX);
    assert!(REORDER_SOUND_US_MAX <= REORDER_US_MAX);
    assert!(
        REORDER_PACKETS_MAX * CAMERA_DATAGRAM_BYTES <= CARRY_LARGE_BYTES,
        "packets that waited are cut with a read, as a frame that it completes is"
    );
};
