//! The appliance: a box that runs weir and nothing else, from a disk of ours.
//!
//! The disk has two slots, each a raw partition with a kernel and an initramfs in which weir is.
//! One runs, the other stands by and is overwritten by updates. [`slot`] reads what a slot says of
//! itself, and [`boot_order`] which slot U-Boot starts, how often it tries, and why one was given
//! up; [`state_blocks`] keeps that in two places, so that a power cut leaves the old or the new.
//! [`bundle`] judges an update and writes it, and [`partitions`] finds the places on the disk.
//! [`request`] is what weir, which is no root, asks of weir-init, which is, and [`client`] the
//! asking.
//!
//! Everything that comes from a disk, a file or a socket is bounded before it is looked at.

pub mod boot_order;
pub mod bundle;
pub mod client;
mod environment;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod install_error;
pub mod manifest;
pub mod partitions;
pub mod request;
pub mod slot;
pub mod state_blocks;
mod ustar;
pub mod version;
