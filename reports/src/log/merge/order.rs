//! One order of which several lists are excerpts.

use std::collections::{BTreeMap, BTreeSet};

/// All entries of the lists, each before those it precedes in any of them.
///
/// Where the lists leave it open, or contradict each other, the entries' own order decides.
pub(super) fn in_common_order<'a, T: Ord>(lists: impl IntoIterator<Item = Vec<&'a T>>) -> Vec<&'a T> {
    let mut after: BTreeMap<&T, BTreeSet<&T>> = BTreeMap::new();
    let mut before: BTreeMap<&T, usize> = BTreeMap::new();
    for list in lists {
        for entry in &list {
            before.entry(*entry).or_default();
        }
        for pair in list.windows(2) {
            if let [one, next] = *pair
                && one != next
                && after.entry(one).or_default().insert(next)
            {
                *before.entry(next).or_default() += 1;
            }
        }
    }
    let mut order = Vec::with_capacity(before.len());
    while let Some(next) = next_of(&before) {
        before.remove(next);
        for follower in after.remove(next).into_iter().flatten() {
            if let Some(waits_for) = before.get_mut(follower) {
                *waits_for -= 1;
            }
        }
        order.push(next);
    }
    order
}

/// The first that waits for none; in a circle the first of all.
fn next_of<'a, T: Ord>(before: &BTreeMap<&'a T, usize>) -> Option<&'a T> {
    let free = before.iter().find(|(_, waits_for)| **waits_for == 0);
    free.or_else(|| before.iter().next()).map(|(entry, _)| *entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(lists: &[&[&'static str]]) -> Vec<&'static str> {
        in_common_order(lists.iter().map(|list| list.iter().collect())).into_iter().copied().collect()
    }

    #[test]
    fn lists_that_each_lack_something_give_the_whole() {
        assert_eq!(ordered(&[&["z", "b", "a"], &["z", "y", "a"], &["b", "y"]]), ["z", "b", "y", "a"]);
    }

    #[test]
    fn what_the_lists_leave_open_or_contradict_is_decided_all_the_same() {
        assert_eq!(ordered(&[&["b"], &["a"]]), ["a", "b"]);
        assert_eq!(ordered(&[&["b", "a"], &["a", "b"]]), ["a", "b"]);
    }
}
