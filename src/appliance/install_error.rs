//! Why a bundle was not installed: refused, with nothing changed, or failed, with the standby slot
//! closed and perhaps half written.

use std::fmt;
use std::io;

use super::manifest::ManifestError;
use super::slot::{SlotError, SlotName};
use super::ustar::UstarError;
use super::version::DottedVersion;

/// Why a bundle was not installed.
#[derive(Debug)]
pub enum InstallError {
    /// No byte of the disk is another one than before.
    Refused(BundleRefusal),
    /// The standby slot may be half written and is not started. The running one is as it was.
    Failed(InstallFailure),
}

/// Why a bundle is not for this box, or not now.
#[derive(Debug)]
pub enum BundleRefusal {
    /// It is no bundle, is not signed, or ends early.
    Form(UstarError),
    /// Its manifest or signature is not good.
    Manifest(ManifestError),
    /// It is for another board.
    OtherBoard {
        /// The board that it is for.
        bundle: String,
        /// This one.
        own: String,
    },
    /// It is older than what may follow the running slot.
    TooOld {
        /// Its version.
        version: DottedVersion,
        /// The oldest one that is accepted.
        oldest: DottedVersion,
    },
    /// Its slot is larger than the partition.
    TooLarge {
        /// Bytes of its slot.
        bytes: u64,
        /// Bytes of the partition.
        max: u64,
    },
    /// It is longer or shorter than its manifest makes it.
    Length {
        /// Its length.
        bytes: u64,
        /// What it should be.
        expected: u64,
    },
    /// What runs is itself an update that is not good yet: the other slot is all there is to go
    /// back to.
    OnTrial(SlotName),
    /// The length of the standby slot's partition cannot be found out.
    Device(io::Error),
}

/// What went wrong with a bundle that was accepted.
#[derive(Debug)]
pub enum InstallFailure {
    /// The boot order cannot be stored.
    State(io::Error),
    /// The bundle cannot be read to its end, or has no end.
    Source(UstarError),
    /// The standby slot cannot be written or read.
    Device(io::Error),
    /// What came is not what was signed.
    Hash,
    /// What is read back from the disk is not what was written.
    ReadBack,
    /// The slot has no good header, though it was signed.
    Header(SlotError),
    /// The slot's header says something else than the manifest.
    OtherHeader,
}

impl From<BundleRefusal> for InstallError {
    fn from(refusal: BundleRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<InstallFailure> for InstallError {
    fn from(failure: InstallFailure) -> Self {
        Self::Failed(failure)
    }
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for InstallError {}

impl fmt::Display for BundleRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(UstarError::Entry("manifest.toml.minisig", Some(found))) => {
                write!(f, "the update is not signed: {found} is in the place of the signature")
            }
            Self::Form(error) => write!(f, "this is no update of weir's: {error}"),
            Self::Manifest(error) => write!(f, "the update is refused: {error}"),
            Self::OtherBoard { bundle, own } => {
                write!(f, "the update is for the board {bundle}, and this is a {own}")
            }
            Self::TooOld { version, oldest } => write!(
                f,
                "the update has version {version}, and {oldest} is the oldest that may follow \
                 what runs"
            ),
            Self::TooLarge { bytes, max } => {
                write!(f, "the update's slot has {bytes} bytes, and this box's have {max}")
            }
            Self::Length { bytes, expected } => {
                write!(f, "the update has {bytes} bytes, and by its manifest {expected}")
            }
            Self::OnTrial(slot) => write!(
                f,
                "the last update, in slot {slot}, is still on trial: wait until it is good, or \
                 roll it back"
            ),
            Self::Device(error) => write!(f, "the other slot cannot be read: {error}"),
        }
    }
}

impl std::error::Error for BundleRefusal {}

impl fmt::Display for InstallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(error) => write!(f, "the boot order cannot be stored: {error}"),
            Self::Source(error) => write!(f, "the update was not received whole: {error}"),
            Self::Device(error) => write!(f, "the other slot cannot be written: {error}"),
            Self::Hash => f.write_str("the update is damaged: it has not the hash of its manifest"),
            Self::ReadBack => f.write_str(
                "the disk does not hold what was written to the other slot: it is worn out or \
                 broken",
            ),
            Self::Header(error) => write!(f, "the update holds no good slot: {error}"),
            Self::OtherHeader => f.write_str("the update's slot is not the one of its manifest"),
        }
    }
}

impl std::error::Error for InstallFailure {}
