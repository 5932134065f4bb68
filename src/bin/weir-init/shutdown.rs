//! Goes on with an end: weir is stopped, the disk released, and the kernel told.

use weir::process;

use super::data::DATA;
use super::ending::{Step, Then};
use super::init::Init;
use super::mounts;

/// Does what is due. The kernel does not come back from the last step.
pub(crate) fn turn(init: &mut Init, now_us: u64) {
    let is_running = init.supervisor.program.is_running();
    let Some(ending) = &mut init.ending else { return };
    let then = ending.then;
    match ending.step(is_running, now_us) {
        Step::Wait => {}
        Step::Stop => {
            log::info!("weir is stopped");
            init.supervisor.stop(now_us);
        }
        Step::End => end(init, then),
    }
}

fn end(init: &mut Init, then: Then) {
    if then == Then::ForgetAndRestart
        && let Err(error) = init.data.forget()
    {
        log::error!("not everything could be forgotten: {error}");
    }
    if init.data.is_mounted {
        mounts::release(DATA);
    }
    log::info!("the box {}", if then == Then::PowerOff { "is switched off" } else { "restarts" });
    let error = match then {
        Then::PowerOff => {
            if let Some(watchdog) = &mut init.watchdog {
                watchdog.disarm();
            }
            process::power_off()
        }
        // The watchdog goes on, should this hang.
        Then::Restart | Then::ForgetAndRestart => process::reboot(),
    };
    log::error!("the kernel refuses: {error}");
}
