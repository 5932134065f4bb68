//! Bounds of [`crate::diagnosis`]: from where on something is said of a camera or a viewer.

/// Findings of one camera that are shown, the gravest first. With them 64 cameras of
/// `/api/cameras` are within [`super::VERIFY_ANSWER_BYTES_MAX`].
pub const CAMERA_FINDINGS_MAX: usize = 4;
/// Microseconds between two samples of a camera's counters. Counts are judged from the last sample
/// but one on, rates by the two times between the last three.
pub const CAMERA_SAMPLE_US: u64 = 60_000_000;
/// Video that has come for this long without parameter sets has none.
pub const CAMERA_PICTURELESS_US: u64 = 10_000_000;
/// A key frame in this time is to be expected: few cameras are set to more than 10 s.
pub const CAMERA_KEY_FRAME_US_MAX: u64 = 14_000_000;
/// Gaps in a camera's packets in one to two minutes from which on they are said. Each costs the
/// picture until the next key frame.
pub const CAMERA_GAPS_MIN: u32 = 5;
/// Jumps of a camera's clock in one to two minutes from which on they are said. It may be set once.
pub const CAMERA_CLOCK_JUMPS_MIN: u32 = 3;
/// How many thousandths a camera's clock may run fast or slow in each of two minutes. At the bound
/// a player that goes by the timestamps is 36 s behind after an hour. A delay of the network that
/// comes or goes counts in one of the two alone.
pub const CAMERA_CLOCK_PER_MILLE_MAX: i64 = 10;
/// Percent of the frames that a camera says it sends, from which on it is not slow.
pub const CAMERA_FRAMES_PERCENT_MIN: u64 = 80;
/// Percent of the time for which weir may not read a camera: viewers get what there is meanwhile.
pub const CAMERA_UNREAD_PERCENT_MAX: u64 = 20;

/// The age in milliseconds from which on an offer without a check is said to have none. Browsers
/// send the first within a fraction of a second; weir's page gives up after 8 s.
pub const VIEWER_UNCHECKED_MS: u64 = 5_000;
/// The packets of a session from which on its losses are judged: ten seconds of a camera. What its
/// first burst may have cost is little then.
pub const VIEWER_PACKETS_MIN: u64 = 3_000;
/// Percent of a session's packets that were asked for again, from which on loss is said. Of what
/// is lost at random two copies are sent.
pub const VIEWER_ASKED_PERCENT_MIN: u64 = 2;
/// The same of the loss in its last report, in 1/256: 5 %.
pub const VIEWER_FRACTION_LOST_MIN: u8 = 13;
/// Skips of a session from which on its link counts as slow.
pub const VIEWER_SKIPS_MIN: u64 = 3;
/// It is slow only if there was a skip in so many milliseconds of the session's age, on average.
pub const VIEWER_SKIP_MS_MAX: u64 = 600_000;
