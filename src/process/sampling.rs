//! CPU samples of all threads. Each thread has a timer on its own CPU time that sends it SIGPROF;
//! the handler adds the thread's calls to the one [`CallTree`]. A thread that sleeps costs nothing.
//!
//! Frames are found by frame pointers. They are looked for between the stack pointer and the place
//! that the thread has named ([`enlist_this_thread`]), and nowhere else, so that a register that is
//! no frame pointer leads nowhere. A thread that has named none is sampled by its innermost address
//! alone.
//!
//! The handler reads registers, the thread's own stack and one thread-local variable, and writes to
//! the tree; it allocates nothing, calls nothing and changes no `errno`. It is installed with
//! `SA_RESTART` at the first profile and stays: a signal that is late finds it.

use std::cell::Cell;
use std::fs;
use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};

use super::call_tree::CallTree;
use crate::limits::{CALL_DEPTH_MAX, CPU_SAMPLES_PER_S, SAMPLED_THREADS_MAX};

/// An address that is in no code of the program's file, as in a shared library.
pub const ELSEWHERE: u32 = u32::MAX;
/// An address in the code that the kernel lends to every process, as that of `clock_gettime`.
pub const VDSO: u32 = u32::MAX - 1;
/// Bytes of that code, at most.
const VDSO_BYTES: usize = 16 << 10;

static TREE: CallTree = CallTree::new();
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
static IS_ON: AtomicBool = AtomicBool::new(false);

/// Bytes of the tree, for the memory plan.
pub const BYTES: usize = size_of::<CallTree>();

thread_local! {
    /// Above this address the thread's stack is not read.
    static STACK_END: Cell<usize> = const { Cell::new(0) };
}

/// Names the calling thread's stack, so that its samples show who called what. Call it in the
/// function that the thread spends its life in: callers above that are not shown.
#[inline(never)]
pub fn enlist_this_thread() {
    let here = 0_u8;
    STACK_END.set((&raw const here).addr());
}

/// A profile that is being taken. When it is dropped, sampling ends.
#[derive(Debug)]
pub struct Sampling {
    timers: heapless::Vec<(i32, Timer), SAMPLED_THREADS_MAX>,
    taken: Taken,
}

/// What was sampled. While it lives, no other profile is taken.
#[derive(Debug)]
pub struct Samples(#[allow(dead_code)] Taken);

/// The tree's one user.
#[derive(Debug)]
struct Taken;

impl Taken {
    fn take() -> Option<Self> {
        // Made only where it was free: dropping one frees the tree.
        (!IS_TAKEN.swap(true, SeqCst)).then(|| Self)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        IS_ON.store(false, SeqCst);
        IS_TAKEN.store(false, SeqCst);
    }
}

impl Sampling {
    /// Begins to sample all threads; `None` while another profile is being taken.
    ///
    /// # Errors
    /// The kernel has no such timers, or the CPU is one whose registers are not known here.
    pub fn begin() -> Option<io::Result<Self>> {
        let taken = Taken::take()?;
        TREE.clear();
        let mut sampling = Self { timers: heapless::Vec::new(), taken };
        Some(install_handler().and_then(|()| sampling.look_for_threads()).map(|()| {
            IS_ON.store(true, SeqCst);
            sampling
        }))
    }

    /// Samples threads that have begun since, and gives up the timers of those that have ended.
    ///
    /// # Errors
    /// As [`Sampling::begin`].
    pub fn look_for_threads(&mut self) -> io::Result<()> {
        let threads: heapless::Vec<i32, SAMPLED_THREADS_MAX> =
            threads()?.take(SAMPLED_THREADS_MAX).collect();
        self.timers.retain(|(thread, _)| threads.contains(thread));
        for thread in threads {
            if self.timers.iter().all(|(known, _)| *known != thread) {
                match Timer::of(thread) {
                    Ok(timer) => drop(self.timers.push((thread, timer))),
                    // It has ended meanwhile.
                    Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Ends it. A handler that is just running may still add its sample.
    pub fn end(self) -> Samples {
        IS_ON.store(false, SeqCst);
        let Self { timers, taken } = self;
        drop(timers);
        Samples(taken)
    }
}

impl Samples {
    /// The calls that were sampled.
    pub fn tree(&self) -> &'static CallTree {
        &TREE
    }
}

/// The numbers of this process's threads.
fn threads() -> io::Result<impl Iterator<Item = i32>> {
    let entries = fs::read_dir("/proc/self/task")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

/// A timer on one thread's CPU time.
#[derive(Debug)]
struct Timer(libc::timer_t);

// SAFETY: a timer's number belongs to the process; only glibc has it as a pointer, to nothing.
unsafe impl Send for Timer {}

impl Timer {
    fn of(thread: i32) -> io::Result<Self> {
        const PERIOD: libc::timespec = libc::timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000_000 / CPU_SAMPLES_PER_S as libc::c_long,
        };
        /// The kernel's number for a clock of what the scheduler gave one thread.
        const OF_THREAD: i32 = 4 | 2;
        let clock = (!thread << 3) | OF_THREAD;
        // SAFETY: zeros are a valid `sigevent`, and the calls read and write only what they are
        // given here.
        unsafe {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = libc::SIGPROF;
            event.sigev_notify_thread_id = thread;
            let mut timer: libc::timer_t = std::ptr::null_mut();
            super::kernel::checked(libc::timer_create(clock, &raw mut event, &raw mut timer))?;
            let timer = Self(timer);
            let when = libc::itimerspec { it_interval: PERIOD, it_value: PERIOD };
            let set = libc::timer_settime(timer.0, 0, &raw const when, std::ptr::null_mut());
            super::kernel::checked(set)?;
            Ok(timer)
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the timer is ours and is not used again.
        unsafe { libc::timer_delete(self.0) };
    }
}

fn install_handler() -> io::Result<()> {
    static ONCE: Once = Once::new();
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut installed = Ok(());
    ONCE.call_once(|| {
        let _ = image();
        // SAFETY: zeros are a valid `sigaction` without flags; the handler has the signature that
        // SA_SIGINFO asks for, and does what a handler may.
        installed = super::kernel::checked(unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_sample as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            libc::sigaction(libc::SIGPROF, &raw const action, std::ptr::null_mut())
        });
    });
    installed
}

/// The first words of a timer's `siginfo_t` for 64 bits (sigaction(2)): signal, error, code,
/// padding, timer, overrun.
type TimerSignal = [libc::c_int; 6];
const _: () = assert!(size_of::<TimerSignal>() <= size_of::<libc::siginfo_t>());

extern "C" fn on_sample(_: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    if !IS_ON.load(Relaxed) {
        return;
    }
    // SAFETY: the kernel passes this, and as much of it, for every signal.
    let [_, _, code, _, _, overrun] = unsafe { info.cast::<TimerSignal>().read() };
    // The kernel looks at the timers at its own ticks: of a thread that works in short moments it
    // tells several periods at once. A signal that somebody sent is no sample.
    if code != libc::SI_TIMER {
        return;
    }
    let periods = 1 + overrun.unsigned_abs().min(CPU_SAMPLES_PER_S);
    // SAFETY: the kernel passes the interrupted thread's context, which is valid during this call.
    let [pc, frame, stack] = unsafe { registers(context.cast()) };
    let mut addresses = heapless::Vec::<u32, CALL_DEPTH_MAX>::new();
    let _ = addresses.push(offset(pc));
    // SAFETY: what lies between the stack pointer and the end that this thread named is its stack.
    unsafe { walk(frame, stack, STACK_END.get(), &mut addresses) };
    TREE.add(&addresses, periods);
}

/// Follows frame pointers: at each lie the caller's, and the address to return to. Each must be
/// higher than the one before.
///
/// # Safety
/// From `low` to `end` lies this thread's stack.
unsafe fn walk(
    mut frame: usize,
    mut low: usize,
    end: usize,
    addresses: &mut heapless::Vec<u32, CALL_DEPTH_MAX>,
) {
    const WORD: usize = size_of::<usize>();
    while frame >= low && frame < end.saturating_sub(2 * WORD) && frame.is_multiple_of(WORD) {
        let at = std::ptr::with_exposed_provenance::<usize>(frame);
        // SAFETY: both words lie within the stack, as the caller promises, and are aligned.
        let (caller, back) = unsafe { (at.read_volatile(), at.add(1).read_volatile()) };
        // The call is before the address to return to.
        if back == 0 || addresses.push(offset(back - 1)).is_err() {
            return;
        }
        low = frame + 2 * WORD;
        frame = caller;
    }
}

/// Program counter, frame pointer and stack pointer of an interrupted thread.
///
/// # Safety
/// The context is one that the kernel passed to a signal handler.
#[cfg(target_arch = "x86_64")]
unsafe fn registers(context: *const libc::ucontext_t) -> [usize; 3] {
    // SAFETY: the caller promises it.
    let registers = unsafe { (*context).uc_mcontext.gregs };
    [libc::REG_RIP, libc::REG_RBP, libc::REG_RSP]
        .map(|register| registers[register.cast_unsigned() as usize].cast_unsigned())
        .map(|value| usize::try_from(value).unwrap_or_default())
}

/// As for `x86_64`.
///
/// # Safety
/// The context is one that the kernel passed to a signal handler.
#[cfg(target_arch = "aarch64")]
unsafe fn registers(context: *const libc::ucontext_t) -> [usize; 3] {
    const FRAME_POINTER: usize = 29;
    // SAFETY: the caller promises it.
    let machine = unsafe { &(*context).uc_mcontext };
    [machine.pc, machine.regs[FRAME_POINTER], machine.sp]
        .map(|value| usize::try_from(value).unwrap_or_default())
}

/// Other CPUs are not sampled ([`install_handler`]).
///
/// # Safety
/// Nothing is read.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn registers(_: *const libc::ucontext_t) -> [usize; 3] {
    [0; 3]
}

/// Where the program's code begins and ends in memory, and where the kernel's begins.
struct Image {
    start: usize,
    end: usize,
    vdso: usize,
}

/// Bytes from the program's first byte to the end of its code.
pub fn image_bytes() -> u64 {
    (image().end - image().start) as u64
}

fn image() -> &'static Image {
    static IMAGE: std::sync::OnceLock<Image> = std::sync::OnceLock::new();
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    IMAGE.get_or_init(|| Image {
        start: (&raw const __executable_start).addr(),
        end: (&raw const etext).addr(),
        // SAFETY: a number goes in and a number comes out.
        vdso: usize::try_from(unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) }).unwrap_or(0),
    })
}

/// An address as an offset in the program. Takes no lock once the handler is installed.
fn offset(address: usize) -> u32 {
    let Image { start, end, vdso } = *image();
    if (start..end).contains(&address) {
        return u32::try_from(address - start).unwrap_or(ELSEWHERE).max(1);
    }
    let is_kernels = vdso != 0 && (vdso..vdso + VDSO_BYTES).contains(&address);
    if is_kernels { VDSO } else { ELSEWHERE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Works until it is told to stop, as a thread of weir would.
    #[inline(never)]
    fn burn(is_over: &AtomicBool) -> u64 {
        let mut sum = 1_u64;
        while !is_over.load(Relaxed) {
            sum = std::hint::black_box(sum.wrapping_mul(3).rotate_left(7));
        }
        sum
    }

    /// Has [`burn`] end, however the test ends.
    struct Over<'a>(&'a AtomicBool);

    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }

    #[test]
    fn a_busy_thread_is_sampled_and_one_profile_is_taken_at_a_time() {
        let of_burn = (burn as *const () as usize) - image().start;
        let is_in_burn = |call: &super::super::call_tree::Call| {
            (call.address as usize).wrapping_sub(of_burn) < 4096
        };
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                enlist_this_thread();
                burn(&is_over)
            });
            let _over = Over(&is_over);
            let mut sampling = Sampling::begin().expect("the only one").expect("timers");
            assert!(Sampling::begin().is_none(), "one at a time");
            for _ in 0..100 {
                std::thread::sleep(Duration::from_millis(20));
                sampling.look_for_threads().expect("/proc");
                // Other tests' threads are sampled too.
                let mut calls = TREE.places().filter_map(|at| TREE.call(at));
                if calls.any(|call| is_in_burn(&call)) {
                    break;
                }
            }
            let samples = sampling.end();
            assert!(Sampling::begin().is_none(), "the tree is still being read");
            let tree = samples.tree();
            let calls: Vec<_> = tree.places().filter_map(|at| tree.call(at)).collect();
            assert!(calls.iter().any(|call| call.samples > 0), "{calls:?}");
            assert!(calls.iter().any(is_in_burn), "{of_burn:#x}: {calls:x?}");
            drop(samples);
            drop(Sampling::begin().expect("the next one").expect("timers"));
        });
    }

    #[test]
    fn a_walk_stays_within_the_stack_and_goes_upwards() {
        const NONE: [u32; 0] = [];
        // Three frames, the last of which leads back to the first.
        let mut stack = [0_usize; 12];
        let base = (&raw const stack).addr();
        let at = |index: usize| base + index * size_of::<usize>();
        (stack[2], stack[3]) = (at(5), image().start + 100);
        (stack[5], stack[6]) = (at(8), image().start + 200);
        (stack[8], stack[9]) = (at(2), image().start + 300);
        std::hint::black_box(&mut stack);
        (&raw const stack).expose_provenance();
        let walked = |frame, low, end| {
            let mut addresses = heapless::Vec::new();
            // SAFETY: `low` and `end` are within the array, or the range is empty.
            unsafe { walk(frame, low, end, &mut addresses) };
            addresses.to_vec()
        };
        assert_eq!(walked(at(2), base, at(12)), [99, 199, 299]);
        assert_eq!(walked(at(2), base, at(8)), [99, 199], "the end is not passed");
        assert_eq!(walked(at(2), at(3), at(12)), NONE, "nor the stack pointer");
        assert_eq!(walked(at(2) + 1, base, at(12)), NONE, "frames are aligned");
        assert_eq!(walked(usize::MAX - 7, base, at(12)), NONE);
        assert_eq!(walked(0, 0, 0), NONE, "a thread that named no end");
    }

    #[test]
    fn addresses_outside_the_program_are_told_apart() {
        assert_eq!(offset(image().start), 1);
        assert_eq!(offset(image().end), ELSEWHERE);
        assert_eq!(offset(image().vdso), VDSO);
    }
}
