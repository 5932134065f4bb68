//! System calls about this process.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// How long a last message waits for stderr to become writable.
const WRITE_WAIT_MS: i32 = 1000;
/// Writes after which a last message to a slow reader is given up.
const WRITES_MAX: usize = 16;
/// The most frames of a backtrace.
pub(super) const FRAMES_MAX: usize = 32;

pub(super) fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets the process's groups to these and no others.
pub(super) fn take_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the call reads as many numbers as the slice has.
    checked(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })
}

/// Sets group and user for good, in all threads.
pub(super) fn take_identity(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: numbers go in and an error comes out. The group is set first: later it is forbidden.
    checked(unsafe { libc::setresgid(gid, gid, gid) })?;
    // SAFETY: as above.
    checked(unsafe { libc::setresuid(uid, uid, uid) })
}

/// The real, effective and saved user ids, then the group ids.
pub(super) fn identity() -> io::Result<([u32; 3], [u32; 3])> {
    let (mut uids, mut gids) = ([0; 3], [0; 3]);
    let [real, effective, saved] = &mut uids;
    // SAFETY: the three pointers are valid and distinct.
    checked(unsafe { libc::getresuid(real, effective, saved) })?;
    let [real, effective, saved] = &mut gids;
    // SAFETY: as above.
    checked(unsafe { libc::getresgid(real, effective, saved) })?;
    Ok((uids, gids))
}

/// Whether files can be created in a folder.
pub(super) fn may_write(folder: &Path) -> io::Result<()> {
    let path = CString::new(folder.as_os_str().as_bytes())?;
    // SAFETY: the path ends with a zero; the call reads it and nothing else.
    checked(unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) })
}

/// Tries to become root again. Returns whether that worked.
pub(super) fn can_return_to_root() -> bool {
    // SAFETY: a number goes in and an error comes out.
    unsafe { libc::seteuid(0) == 0 }
}

/// Forbids this thread and its children to gain privileges by starting a program. Returns whether
/// it is in effect.
pub(super) fn forbid_new_privileges() -> bool {
    // SAFETY: numbers go in and a number comes out; the unused ones must be zero.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
    }
}

/// Has the kernel send SIGTERM to the program that is about to be started when this thread ends.
pub(super) fn end_with_this_thread(command: &mut Command) {
    // The lossless cast is that of a small positive number.
    const SIGNAL: libc::c_ulong = libc::SIGTERM as libc::c_ulong;
    // SAFETY: between fork and exec the closure makes one system call, of numbers, and reads the
    // error that it left; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| checked(libc::prctl(libc::PR_SET_PDEATHSIG, SIGNAL, 0, 0, 0)));
    }
}

/// Sends SIGTERM to a child that was not waited for yet.
pub(super) fn terminate(child: u32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(child).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: numbers go in and an error comes out.
    checked(unsafe { libc::kill(pid, libc::SIGTERM) })
}

/// Writes to stderr without locks and buffers. Gives up if stderr is not writable.
pub(super) fn write_to_stderr(mut bytes: &[u8]) {
    for _ in 0..WRITES_MAX {
        let mut stderr =
            libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
        // SAFETY: one descriptor is ours for the call.
        match unsafe { libc::poll(&raw mut stderr, 1, WRITE_WAIT_MS) } {
            1 => {}
            // A signal of a profile that is being taken.
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => continue,
            _ => return,
        }
        // SAFETY: the bytes are borrowed with their length.
        let written =
            unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        let Ok(written) = usize::try_from(written) else { return };
        bytes = bytes.get(written..).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
    }
}

/// Ends the process at once: no destructor runs, and no lock is waited for.
pub(super) fn end(code: i32) -> ! {
    // SAFETY: the call does not return, and touches nothing of ours.
    unsafe { libc::_exit(code) }
}

/// The return addresses of this thread, innermost first, as offsets into the program's file, which
/// `addr2line` takes. Allocates nothing and looks up no symbols.
#[cfg(not(target_arch = "arm"))]
pub(super) fn backtrace() -> heapless::Vec<usize, FRAMES_MAX> {
    type Frames = heapless::Vec<usize, FRAMES_MAX>;
    /// The unwinder's state of one frame; opaque.
    enum Context {}
    const GO_ON: libc::c_int = 0;
    const STOP: libc::c_int = 5;
    unsafe extern "C" {
        fn _Unwind_Backtrace(
            frame: extern "C" fn(*mut Context, *mut libc::c_void) -> libc::c_int,
            frames: *mut libc::c_void,
        ) -> libc::c_int;
        fn _Unwind_GetIP(context: *mut Context) -> usize;
        static __executable_start: u8;
    }
    extern "C" fn frame(context: *mut Context, frames: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the unwinder passes on the pointer that `backtrace` gave it, to a live local that
        // is not used otherwise meanwhile, and a context that is valid during this call.
        let (frames, ip) = unsafe { (&mut *frames.cast::<Frames>(), _Unwind_GetIP(context)) };
        let offset = ip.wrapping_sub((&raw const __executable_start).addr());
        if frames.push(offset).is_ok() { GO_ON } else { STOP }
    }
    let mut frames = Frames::new();
    // SAFETY: the callback gets back the pointer to `frames`, and returns without unwinding.
    unsafe { _Unwind_Backtrace(frame, (&raw mut frames).cast()) };
    frames
}

/// 32-bit ARM has another unwinder interface, so there is no backtrace.
#[cfg(target_arch = "arm")]
pub(super) fn backtrace() -> heapless::Vec<usize, FRAMES_MAX> {
    heapless::Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtrace_has_frames_of_this_program() {
        let frames = backtrace();
        let bytes = std::fs::metadata("/proc/self/exe").expect("/proc").len();
        assert!(frames.len() > 2);
        let own = frames.iter().filter(|offset| (**offset as u64) < bytes);
        assert!(own.count() > 2, "{frames:x?}");
    }

    #[test]
    fn new_privileges_are_forbidden_and_it_is_seen() {
        // In a thread of its own, as it affects that thread and its children for good.
        let took = std::thread::spawn(forbid_new_privileges).join().expect("no panic");
        assert!(took);
    }

    #[test]
    fn the_identity_is_whole() {
        let (uids, gids) = identity().expect("always given");
        assert!(uids.windows(2).all(|pair| pair[0] == pair[1]));
        assert!(gids.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
