//! Chance, as a load balancer needs it.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// A source of numbers that look random (SplitMix64); good enough to pick a backend by.
#[derive(Debug)]
pub(super) struct Dice {
    state: AtomicU64,
}

impl Default for Dice {
    fn default() -> Self {
        Self { state: AtomicU64::new(RandomState::new().hash_one(0)) }
    }
}

impl Dice {
    /// One of the items, or `None` of no items.
    pub(super) fn pick<'a, T>(&self, items: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(items.len()).ok().filter(|count| *count > 0)?;
        let index = usize::try_from(self.roll() % count).ok()?;
        items.get(index)
    }

    fn roll(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_item_is_picked_sooner_or_later() {
        let dice = Dice { state: AtomicU64::new(7) };
        let seen: HashSet<_> = (0..100).filter_map(|_| dice.pick(&[1, 2, 3])).collect();
        assert_eq!(seen.len(), 3);
        assert_eq!(dice.pick::<u8>(&[]), None);
    }
}
