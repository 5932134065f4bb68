//! One thread of another process, stopped as if it were stuck. No signal can do that: SIGSTOP
//! stops all of them.

use std::fs;
use std::io;
use std::ptr;

/// A stopped thread; it goes on when this is dropped, by the thread that stopped it.
pub struct Stopped {
    tid: libc::pid_t,
}

impl Stopped {
    /// Stops the thread of a name.
    pub fn thread(pid: u32, name: &str) -> Self {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
        let tid = tasks.flatten().find_map(|task| {
            let comm = fs::read_to_string(task.path().join("comm")).ok()?;
            (comm.trim() == name).then(|| task.file_name().to_str()?.parse().ok())?
        });
        let tid = tid.expect("a thread of that name");
        request(libc::PTRACE_SEIZE, tid);
        request(libc::PTRACE_INTERRUPT, tid);
        // SAFETY: the status is not asked for.
        let waited = unsafe { libc::waitpid(tid, ptr::null_mut(), libc::__WALL) };
        assert_eq!(waited, tid, "{}", io::Error::last_os_error());
        Self { tid }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        request(libc::PTRACE_DETACH, self.tid);
    }
}

fn request(request: libc::c_uint, tid: libc::pid_t) {
    let none = ptr::null_mut::<libc::c_void>();
    // SAFETY: these requests take no address and no data, and touch no memory of ours.
    let result = unsafe { libc::ptrace(request, tid, none, none) };
    assert_eq!(result, 0, "ptrace {request}: {}", io::Error::last_os_error());
}
