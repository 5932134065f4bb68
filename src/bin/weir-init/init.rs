//! Everything that init has, in one place.

use super::board::Board;
use super::data::DataFolder;
use super::disk::SlotDisk;
use super::ending::Ending;
use super::network::Network;
use super::requests::RequestListener;
use super::supervisor::Supervisor;
use super::update_job::UpdateState;
use super::watchdog::HardwareWatchdog;

/// The parts of a box that is up. The loop alone changes them.
#[derive(Debug)]
pub(crate) struct Init {
    pub(crate) board: Board,
    pub(crate) watchdog: Option<HardwareWatchdog>,
    pub(crate) disk: Option<SlotDisk>,
    pub(crate) data: DataFolder,
    pub(crate) network: Network,
    pub(crate) supervisor: Supervisor,
    pub(crate) requests: RequestListener,
    pub(crate) updates: UpdateState,
    pub(crate) ending: Option<Ending>,
    /// Whether the data partition was looked at.
    pub(crate) has_grown: bool,
}
