//! A table of slots with generations: an old handle to a slot that was used again finds nothing.

use super::Full;

/// Names one use of a table's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle {
    /// The index of the slot.
    pub index: u16,
    /// The count of the slot's uses; starts at 1.
    pub generation: u32,
}

/// Up to `N` values, each found by its [`Handle`].
#[derive(Debug)]
pub struct Table<T, const N: usize> {
    slots: heapless::Vec<Slot<T>, N>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T, const N: usize> Table<T, N> {
    /// An empty table. Zeros are a valid state, so it can be a static.
    pub const fn new() -> Self {
        Self { slots: heapless::Vec::new() }
    }

    /// Puts `value` into a free slot. `what` names the table in the error.
    ///
    /// # Errors
    /// [`Full`]: every slot is in use.
    pub fn admit(&mut self, what: &'static str, value: T) -> Result<Handle, Full> {
        let free = self.slots.iter().position(|slot| slot.value.is_none());
        let index = match free {
            Some(index) => index,
            None => {
                let fresh = Slot { generation: 0, value: None };
                self.slots.push(fresh).map_err(|_| Full { what, max: N })?;
                self.slots.len() - 1
            }
        };
        let slot = &mut self.slots[index];
        slot.generation += 1;
        slot.value = Some(value);
        #[allow(clippy::cast_possible_truncation)] // N is at most u16::MAX: limits.rs asserts it
        Ok(Handle { index: index as u16, generation: slot.generation })
    }

    /// Empties a slot; `None` if the handle is out of date.
    pub fn release(&mut self, handle: Handle) -> Option<T> {
        let slot = self.slots.get_mut(usize::from(handle.index))?;
        if slot.generation == handle.generation { slot.value.take() } else { None }
    }

    /// The value of a handle; `None` if the handle is out of date.
    pub fn find(&self, handle: Handle) -> Option<&T> {
        let slot = self.slots.get(usize::from(handle.index))?;
        if slot.generation == handle.generation { slot.value.as_ref() } else { None }
    }

    /// The value of a handle, for writing; `None` if the handle is out of date.
    pub fn find_mut(&mut self, handle: Handle) -> Option<&mut T> {
        let slot = self.slots.get_mut(usize::from(handle.index))?;
        if slot.generation == handle.generation { slot.value.as_mut() } else { None }
    }

    /// The value in a slot, whatever its generation.
    pub fn at_mut(&mut self, index: u16) -> Option<&mut T> {
        self.slots.get_mut(usize::from(index))?.value.as_mut()
    }

    /// The handle of a slot; `None` if it is not in use.
    pub fn handle_at(&self, index: u16) -> Option<Handle> {
        let slot = self.slots.get(usize::from(index))?;
        slot.value.as_ref()?;
        Some(Handle { index, generation: slot.generation })
    }

    /// All values with their handles.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        (0u16..).zip(&self.slots).filter_map(|(index, slot)| {
            let value = slot.value.as_ref()?;
            Some((Handle { index, generation: slot.generation }, value))
        })
    }

    /// The number of slots in use.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether no slot is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T, const N: usize> Default for Table<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_plus_one_is_refused_and_the_first_to_leave_makes_room() {
        let mut table = Table::<u8, 2>::new();
        let first = table.admit("things", 1).expect("room");
        table.admit("things", 2).expect("room");
        assert_eq!(table.admit("things", 3), Err(Full { what: "things", max: 2 }));
        assert_eq!(table.release(first), Some(1));
        let again = table.admit("things", 3).expect("released");
        assert_eq!(again.index, first.index);
        assert_eq!(table.find(first), None, "the old handle is over");
        assert_eq!(table.find(again), Some(&3));
        assert_eq!(table.len(), 2);
    }
}
