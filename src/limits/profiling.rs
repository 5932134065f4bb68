//! Bounds of what is profiled.

/// Seconds of a CPU profile that is asked for without a number, as Go's own programs have it.
pub const CPU_PROFILE_S_DEFAULT: u64 = 30;
/// The longest CPU profile, in seconds: one of a whole incident, which its reader still waits for.
pub const CPU_PROFILE_S_MAX: u64 = 300;
/// Samples per second of a thread's CPU time: 1 % of a core is then seen within seconds, and
/// sampling costs less than a thousandth of it.
pub const CPU_SAMPLES_PER_S: u32 = 100;
/// Nodes of the call tree, a power of two: a call from one place, in one chain of callers, each.
/// 16 bytes each; full, a sample is counted as `[truncated]`.
pub const CALL_NODES_MAX: usize = 4096;
/// Frames of a sample, from the innermost on; outer ones are left out.
pub const CALL_DEPTH_MAX: usize = 64;
/// Threads that are sampled at once, as many as the service may have (`TasksMax`); weir has four.
pub const SAMPLED_THREADS_MAX: usize = 16;
/// Bytes of a symbol's name that are read; generic code has the longest.
pub const SYMBOL_BYTES_MAX: usize = 1024;
/// Bytes of a function's readable name in a profile.
pub const FUNCTION_NAME_BYTES_MAX: usize = 256;
