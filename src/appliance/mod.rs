//! The appliance: a box that runs weir and nothing else, from a disk of ours.
//!
//! The disk has two slots, each a raw partition with a kernel and an initramfs in which weir is.
//! One runs, the other stands by and is overwritten by updates. [`slot`] reads what a slot says of
//! itself, and [`boot_order`] which slot U-Boot or GRUB starts, how often it tries, and why one was
//! given up; [`state_blocks`] keeps that in two places, in the one's [`state_format`] or the
//! other's, so that a power cut leaves the old or the new.
//! [`bundle`] judges an update and writes it, and [`partitions`] finds the places on the disk.
//! [`request`] is what weir, which is no root, asks of weir-init, which is, and [`answers`] takes
//! what that says out of a connection.
//!
//! The rest is what weir-init itself decides by: [`box_file`] and [`network`] are the settings that
//! it owns, and [`preset`] how they come with a disk; [`dhcp`] and [`sntp`] are its clients;
//! [`partition_table`] plans how the disk's last partition grows; [`life_signs`], [`crashes`] and,
//! by [`health`], [`trial`] judge weir and with it the slot. They have no clock and no socket.
//!
//! Everything that comes from a disk, a file or a socket is bounded before it is looked at.

pub mod answers;
pub mod boot_order;
pub mod box_file;
pub mod bundle;
pub mod crashes;
pub mod dhcp;
mod environment;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod grub_block;
pub mod health;
pub mod install_error;
pub mod life_signs;
pub mod manifest;
pub mod network;
pub mod partition_table;
pub mod partitions;
pub mod preset;
pub mod request;
pub mod slot;
pub mod sntp;
pub mod state_blocks;
pub mod state_format;
pub mod trial;
mod ustar;
pub mod version;
