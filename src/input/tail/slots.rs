//! Things by small numbers that are used again.

/// Things by number.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Puts it under a number that is free.
    pub(super) fn put(&mut self, value: T) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(value);
                slot
            }
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // There may be very many: room for twice as many is too much.
                    self.slots.reserve_exact(self.slots.len() / 8 + 8);
                }
                self.slots.push(Some(value));
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        }
    }

    pub(super) fn get(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Takes it out.
    pub(super) fn take(&mut self, slot: u32) -> Option<T> {
        self.take_if(slot, |_| true)
    }

    /// Takes it out if it is so.
    pub(super) fn take_if(&mut self, slot: u32, is_so: impl FnOnce(&T) -> bool) -> Option<T> {
        let taken = self.slots.get_mut(slot as usize)?.take_if(|value| is_so(value))?;
        self.free.push(slot);
        Some(taken)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The numbers that are used, and perhaps others.
    pub(super) fn slots(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }
}
