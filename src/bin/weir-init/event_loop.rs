//! The loop: one round a second at least, and at once whenever something comes. It feeds the
//! watchdog in each, as long as weir gives signs of life.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use weir::appliance::box_file::BoxSettings;
use weir::appliance::network::{NetworkSettings, host_name_problem};
use weir::appliance::request::{BoxAnswer, BoxRequest};
use weir::clock;
use weir::limits::INIT_ROUND_US_MAX;

use super::data::DATA;
use super::disk::SlotDisk;
use super::ending::{Ending, Then};
use super::growth;
use super::init::Init;
use super::jobs::{Job, Question, Reply};
use super::report;
use super::shutdown;
use super::supervisor::SlotVerdict;
use super::updates;

/// Runs until the box is restarted or switched off.
pub(crate) fn run(mut init: Init) -> ! {
    loop {
        let now_us = clock::now_us();
        init.round(now_us);
        init.wait();
    }
}

impl Init {
    fn round(&mut self, now_us: u64) {
        if self.supervisor.may_feed(now_us)
            && let Some(watchdog) = &mut self.watchdog
        {
            watchdog.feed();
        }
        let (disk, is_updating) = (&self.disk, self.updates.is_running());
        let other = || !is_updating && disk.as_ref().is_some_and(SlotDisk::is_other_bootable);
        let verdict = self.supervisor.turn(now_us, other);
        // An end that is under way is not decided on once more.
        if self.ending.is_none() {
            self.judge(verdict, now_us);
        }
        self.network.turn(now_us);
        for Job { question, reply } in self.requests.turn() {
            let answer = self.answer(question, now_us);
            // The thread may have given up.
            let _ = reply.try_send(answer);
        }
        self.begin_late_work();
        shutdown::turn(self, now_us);
    }

    /// Waits for the next thing to do, a second at most.
    fn wait(&self) {
        let now_us = clock::now_us();
        let ending = self.ending.as_ref().map_or(u64::MAX, Ending::deadline_us);
        let deadline_us = self
            .supervisor
            .deadline_us()
            .min(self.network.deadline_us())
            .min(ending)
            .min(now_us + INIT_ROUND_US_MAX);
        let mut waited: Vec<PollFd<'_>> = self
            .supervisor
            .program
            .descriptors()
            .chain(self.network.descriptor())
            .chain(self.requests.descriptors())
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let pause = Duration::from_micros(deadline_us.saturating_sub(now_us));
        let pause = Timespec::try_from(pause).unwrap_or_default();
        // A signal ends it early, which does no harm.
        let _ = poll(&mut waited, Some(&pause));
    }

    /// Acts on what weir's doing says of the slot.
    fn judge(&mut self, verdict: SlotVerdict, now_us: u64) {
        let (slot, why) = match verdict {
            SlotVerdict::Same => return,
            SlotVerdict::Good => {
                if let Some(disk) = &mut self.disk {
                    disk.made_good();
                }
                return log::info!("the slot is good");
            }
            SlotVerdict::GiveUp(why) => match &mut self.disk {
                Some(disk) if disk.is_other_bootable() && !self.updates.is_running() => (disk, why),
                _ => {
                    log::error!("{why}; there is no other slot to go to");
                    return self.supervisor.go_on(now_us);
                }
            },
        };
        log::error!("this slot is given up: {why}");
        slot.give_up(&why);
        self.end(Then::Restart, now_us);
    }

    /// What waits until weir runs: the data partition, and bundles of the preset partition.
    fn begin_late_work(&mut self) {
        let Some(disk) = &self.disk else { return };
        if !self.has_grown && self.supervisor.was_alive() {
            self.has_grown = true;
            if self.data.is_mounted {
                growth::start(disk, DATA);
            }
        }
        if self.supervisor.is_good()
            && let Some(jobs) = self.requests.jobs()
        {
            let bundles = self.updates.take_bundles();
            if !bundles.is_empty() {
                updates::try_bundles(bundles, disk, &self.data, jobs);
            }
        }
    }

    fn answer(&mut self, question: Question, now_us: u64) -> Reply {
        let refused = |why: String| Reply::Answer(BoxAnswer::Refused(why));
        let is_good = self.supervisor.is_good();
        match question {
            Question::Request(_) | Question::BeginUpdate if self.ending.is_some() => {
                refused("the box is being restarted".to_owned())
            }
            Question::Request(request) => match self.request(request, now_us) {
                Ok(done) => Reply::Answer(BoxAnswer::Done(done)),
                Err(why) => refused(why),
            },
            Question::BeginUpdate => {
                match self.updates.begin(&self.board, self.disk.as_ref(), is_good) {
                    Ok(job) => Reply::Begin(Box::new(job)),
                    Err(why) => refused(why),
                }
            }
            Question::EndUpdate(order) => {
                self.updates.end();
                if let Some(disk) = &mut self.disk {
                    disk.reload();
                }
                if order.is_some() {
                    log::info!("an update is installed");
                    self.end(Then::Restart, now_us);
                }
                Reply::Answer(BoxAnswer::Done(json!({})))
            }
        }
    }

    /// Does what weir asks.
    ///
    /// # Errors
    /// A sentence for people: why not.
    fn request(&mut self, request: BoxRequest, now_us: u64) -> Result<Value, String> {
        match request {
            BoxRequest::Slots => {
                let shown = report::slots(self)?;
                return serde_json::to_value(shown).map_err(|error| error.to_string());
            }
            BoxRequest::Update { .. } | BoxRequest::UpdateFrom { .. } => {
                return Err("an update has a thread of its own".to_owned());
            }
            BoxRequest::Network { settings } => {
                let network: NetworkSettings =
                    serde_json::from_value(settings).map_err(|error| error.to_string())?;
                let own = self.network.settings().clone();
                return self.change(BoxSettings { network, ..own });
            }
            BoxRequest::Hostname { name } => {
                if let Some(problem) = host_name_problem(&name) {
                    return Err(problem);
                }
                let own = self.network.settings().clone();
                let hostname = Some(name);
                return self.change(BoxSettings { hostname, ..own });
            }
            // What restarts the box.
            _ if self.updates.is_running() => return Err("an update is under way".to_owned()),
            BoxRequest::Rollback => self.roll_back()?,
            BoxRequest::FactoryReset => return Ok(self.end(Then::ForgetAndRestart, now_us)),
            BoxRequest::PowerOff => return Ok(self.end(Then::PowerOff, now_us)),
            BoxRequest::Reboot => {}
        }
        Ok(self.end(Then::Restart, now_us))
    }

    fn change(&mut self, settings: BoxSettings) -> Result<Value, String> {
        self.data.keep_settings(&settings).map_err(|error| format!("not kept: {error}"))?;
        self.network.change(settings);
        Ok(json!({}))
    }

    fn roll_back(&mut self) -> Result<(), String> {
        let disk = self.disk.as_mut().ok_or("this box has no disk with slots")?;
        let running = disk.running.ok_or("this box was not started from a slot")?;
        let holds_slot = disk.header(running.other()).is_some();
        let order = disk.order.clone().roll_back(running, holds_slot);
        disk.store(order.map_err(|error| error.to_string())?);
        Ok(())
    }

    fn end(&mut self, then: Then, now_us: u64) -> Value {
        if self.ending.is_none() {
            self.ending = Some(Ending::new(then, now_us));
            self.supervisor.hold();
        }
        json!({})
    }
}
