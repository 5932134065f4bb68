//! Update bundles: reading, judging, and writing one to the slot that stands by.
//!
//! A bundle is an uncompressed ustar file with `manifest.toml`, its signature and `slot.img`, in
//! this order, so that a stream of it is judged by its first KiB. Whatever is refused then has
//! changed no byte of the disk: unsigned, signed by another key, for another board, too old, too
//! large, or not of the length that the manifest makes it.
//!
//! Afterwards, in this order: the standby slot is closed to U-Boot, the slot is written in pieces
//! of [`UPDATE_PIECE_BYTES`] and brought to the disk each [`UPDATE_SYNC_BYTES`], its hash is
//! compared, it is read back from the disk and hashed again, and its header is compared with the
//! manifest. Only then is it the slot that U-Boot tries next. Whatever fails or is cut off before
//! that leaves the running slot first and the standby slot closed.
//!
//! Nothing is held of a slot but one piece. Time limits are the source's own.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

use ring::digest::{Context, SHA256};
use rustix::fs::{Advice, fadvise};

use crate::limits::{
    UPDATE_MANIFEST_BYTES_MAX, UPDATE_PIECE_BYTES, UPDATE_SIGNATURE_BYTES_MAX, UPDATE_SYNC_BYTES,
};

use super::boot_order::BootOrder;
use super::install_error::{BundleRefusal, InstallError, InstallFailure};
use super::manifest::{Manifest, UpdateKey};
use super::request::UpdateProgress;
use super::slot::{SlotHeader, SlotName};
use super::state_blocks::StateBlocks;
use super::ustar::{self, UstarError};
use super::version::DottedVersion;

const MANIFEST: &str = "manifest.toml";
const SIGNATURE: &str = "manifest.toml.minisig";
const SLOT: &str = "slot.img";

/// The box that a bundle is to be installed on.
#[derive(Debug)]
pub struct UpdateTarget<'b> {
    /// Name of its board.
    pub board: &'b str,
    /// The oldest version that may be installed over the slot that runs.
    pub oldest: DottedVersion,
    /// The key that it takes updates from.
    pub key: &'b UpdateKey,
    /// The slot that runs.
    pub running: SlotName,
    /// The partition of the other slot, open for reading and writing. A file may stand for it, of
    /// the length that the partition would have.
    pub standby: &'b File,
    /// Where the boot order is.
    pub state: &'b StateBlocks,
    /// Cameras that play at present, for the trial of the update.
    pub played: u32,
}

/// The beginning of a bundle, up to the first byte of the slot, as it came.
#[derive(Debug)]
pub(crate) struct BundleHead {
    pub(crate) manifest: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// Length of the slot by its header in the ustar file.
    pub(crate) slot_bytes: u64,
}

impl BundleHead {
    /// Reads all before the slot.
    pub(crate) fn read(source: &mut impl Read) -> Result<Self, UstarError> {
        Ok(Self {
            manifest: ustar::entry(source, MANIFEST, UPDATE_MANIFEST_BYTES_MAX)?,
            signature: ustar::entry(source, SIGNATURE, UPDATE_SIGNATURE_BYTES_MAX)?,
            slot_bytes: ustar::header(source, SLOT, u64::MAX)?,
        })
    }

    /// Length of the whole bundle with a slot of the manifest's length.
    fn expected_bytes(&self, slot_bytes: u64) -> u64 {
        let texts = [&self.manifest, &self.signature].map(|text| text.len() as u64);
        let entries = texts.into_iter().chain([slot_bytes]).map(ustar::entry_bytes);
        entries.sum::<u64>() + ustar::END_BYTES
    }

    /// Decides whether the bundle of `bytes` bytes may be installed; nothing is changed by it.
    fn judge(&self, bytes: u64, target: &UpdateTarget<'_>) -> Result<Manifest, BundleRefusal> {
        let manifest = Manifest::signed(&self.manifest, &self.signature, target.key)
            .map_err(BundleRefusal::Manifest)?;
        if manifest.board != target.board {
            let own = target.board.to_owned();
            return Err(BundleRefusal::OtherBoard { bundle: manifest.board, own });
        }
        if manifest.version < target.oldest {
            let version = manifest.version;
            return Err(BundleRefusal::TooOld { version, oldest: target.oldest });
        }
        let max = device_bytes(target.standby).map_err(BundleRefusal::Device)?;
        if manifest.slot_bytes > max {
            return Err(BundleRefusal::TooLarge { bytes: manifest.slot_bytes, max });
        }
        let expected = self.expected_bytes(manifest.slot_bytes);
        if bytes != expected || self.slot_bytes != manifest.slot_bytes {
            return Err(BundleRefusal::Length { bytes, expected });
        }
        Ok(manifest)
    }
}

/// Installs the bundle that `source` has in its next `bytes` bytes, and returns what was installed
/// and the boot order that is in force now. Of a longer source nothing more is read. `progress` is
/// called after each piece, which is seconds apart at most on a disk that works.
///
/// # Errors
/// The bundle is refused or cannot be installed; [`InstallError`] has both apart.
pub fn install(
    source: &mut impl Read,
    bytes: u64,
    target: &UpdateTarget<'_>,
    progress: &mut impl FnMut(UpdateProgress),
) -> Result<(Manifest, BootOrder), InstallError> {
    let mut source = source.by_ref().take(bytes);
    let (manifest, order) = admit(&mut source, bytes, target)?;
    let order = order.begin_update(target.running);
    target.state.store(&order).map_err(InstallFailure::State)?;
    write(&mut source, &manifest, target.standby, progress)?;
    ustar::empty(&mut source, ustar::END_BYTES).map_err(InstallFailure::Source)?;
    read_back(&manifest, target.standby, progress)?;
    let header = SlotHeader::of(target.standby).map_err(InstallFailure::Header)?;
    if !manifest.is_of(&header) {
        return Err(InstallFailure::OtherHeader.into());
    }
    let order = order.finish_update(target.running, target.played);
    target.state.store(&order).map_err(InstallFailure::State)?;
    Ok((manifest, order))
}

/// Reads and judges all before the slot; nothing is changed by it.
fn admit(
    source: &mut impl Read,
    bytes: u64,
    target: &UpdateTarget<'_>,
) -> Result<(Manifest, BootOrder), BundleRefusal> {
    let order = target.state.load();
    if order.update().is_some_and(|update| update.slot == target.running) {
        return Err(BundleRefusal::OnTrial(target.running));
    }
    let head = BundleHead::read(source).map_err(BundleRefusal::Form)?;
    let manifest = head.judge(bytes, target)?;
    Ok((manifest, order))
}

/// Writes the slot and brings it to the disk.
fn write(
    source: &mut impl Read,
    manifest: &Manifest,
    standby: &File,
    progress: &mut impl FnMut(UpdateProgress),
) -> Result<(), InstallFailure> {
    let mut pieces = Pieces::of(manifest);
    while let Some((at, piece)) = pieces.next_piece() {
        source
            .read_exact(piece)
            .map_err(|error| InstallFailure::Source(UstarError::Source(error)))?;
        standby.write_all_at(piece, at).map_err(InstallFailure::Device)?;
        let bytes = pieces.add_piece();
        if bytes.is_multiple_of(UPDATE_SYNC_BYTES) {
            standby.sync_data().map_err(InstallFailure::Device)?;
        }
        progress(UpdateProgress { bytes, of: 2 * manifest.slot_bytes });
    }
    standby.sync_all().map_err(InstallFailure::Device)?;
    if pieces.have_hash_of(manifest) { Ok(()) } else { Err(InstallFailure::Hash) }
}

/// Reads the slot from the disk itself, and not from memory, and compares its hash.
fn read_back(
    manifest: &Manifest,
    standby: &File,
    progress: &mut impl FnMut(UpdateProgress),
) -> Result<(), InstallFailure> {
    // A length of zero is all of it. What is on the disk already leaves memory by this.
    let forgotten = fadvise(standby, 0, None, Advice::DontNeed);
    forgotten.map_err(|error| InstallFailure::Device(error.into()))?;
    let mut pieces = Pieces::of(manifest);
    while let Some((at, piece)) = pieces.next_piece() {
        standby.read_exact_at(piece, at).map_err(InstallFailure::Device)?;
        let bytes = manifest.slot_bytes + pieces.add_piece();
        progress(UpdateProgress { bytes, of: 2 * manifest.slot_bytes });
    }
    if pieces.have_hash_of(manifest) { Ok(()) } else { Err(InstallFailure::ReadBack) }
}

/// A slot in pieces, of which one is in memory, and the hash of those before.
struct Pieces {
    buffer: Vec<u8>,
    hash: Context,
    /// Bytes of the slot before the piece.
    at: u64,
    /// Bytes of the piece.
    count: usize,
    of: u64,
}

impl Pieces {
    fn of(manifest: &Manifest) -> Self {
        let buffer = vec![0; UPDATE_PIECE_BYTES];
        Self { buffer, hash: Context::new(&SHA256), at: 0, count: 0, of: manifest.slot_bytes }
    }

    /// The next piece, to be filled, and its place; `None` at the end.
    fn next_piece(&mut self) -> Option<(u64, &mut [u8])> {
        let left = self.of - self.at;
        self.count = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        (left > 0).then_some((self.at, &mut self.buffer[..self.count]))
    }

    /// Adds the piece to the hash; returns how many bytes are in it now.
    fn add_piece(&mut self) -> u64 {
        self.hash.update(&self.buffer[..self.count]);
        self.at += self.count as u64;
        self.at
    }

    fn have_hash_of(self, manifest: &Manifest) -> bool {
        self.hash.finish().as_ref() == manifest.slot_sha256
    }
}

/// Length of a partition's device, or of the file that stands for it.
fn device_bytes(mut device: &File) -> io::Result<u64> {
    device.seek(SeekFrom::End(0))
}

#[cfg(test)]
mod tests;
