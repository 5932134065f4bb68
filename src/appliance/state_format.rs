//! The two formats of a state block: that of U-Boot's environment and that of GRUB's. A board has
//! the one that its boot loader can write; what is said in both is the same.

use super::boot_order::{BootOrder, StateBlock};
use super::grub_block;

/// Whose format the state blocks of a board have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFormat {
    /// U-Boot's, with a checksum.
    UBoot,
    /// GRUB's, on boards that start by UEFI.
    Grub,
}

impl StateFormat {
    /// The format of a board that starts by `boot` (`board/*/meta`): `uefi`, or else U-Boot.
    pub fn of_boot(boot: &str) -> Self {
        if boot == "uefi" { Self::Grub } else { Self::UBoot }
    }

    /// Reads a block; `None` when it is not whole.
    pub(crate) fn read(self, block: &StateBlock) -> Option<BootOrder> {
        match self {
            Self::UBoot => BootOrder::read(block),
            Self::Grub => grub_block::read(block),
        }
    }

    /// The block that says `order`, to be written over `held`: the same bytes if that says it
    /// already. `None` where what is there cannot be read.
    pub(crate) fn block(self, order: &BootOrder, held: Option<&StateBlock>) -> StateBlock {
        match self {
            Self::UBoot => order.block(),
            Self::Grub => grub_block::block(order, held),
        }
    }
}
