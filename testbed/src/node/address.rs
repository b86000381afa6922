//! Pod addresses of one node, from the block that the controller manager gives it.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    sync::{Mutex, PoisonError},
};

use thiserror::Error;

/// A block of addresses, `10.244.3.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    first: u32,
    count: u32,
}

impl Block {
    /// Reads `address/bits`; `None` when it is no IPv4 block that pods fit into.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let bits: u32 = bits.parse().ok().filter(|bits| (8..=30).contains(bits))?;
        let count = 1_u32.checked_shl(32 - bits)?;
        let first = u32::from(address.parse::<Ipv4Addr>().ok()?) & !(count - 1);
        Some(Self { first, count })
    }

    /// It as text, `10.244.3.0/24`.
    pub(super) fn range(self) -> String {
        format!("{}/{}", Ipv4Addr::from(self.first), 32 - self.count.trailing_zeros())
    }

    /// The addresses for pods: not the network's, the gateway's or the broadcast one.
    fn pods(self) -> std::ops::Range<u32> {
        self.first + 2..self.first + self.count - 1
    }
}

/// No address is left.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("failed to allocate for range 0: no IP addresses available in range set")]
pub(crate) struct Exhausted;

/// Hands addresses out in turn, so that one is not used again at once.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: BTreeSet<u32>,
    last: u32,
}

impl Addresses {
    /// Takes the next free address of `block`.
    ///
    /// # Errors
    ///
    /// When all are in use.
    pub(crate) fn take(&self, block: Block) -> Result<Ipv4Addr, Exhausted> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let range = block.pods();
        let after = range.clone().filter(|&address| address > state.last);
        let found = after.chain(range).find(|address| !state.used.contains(address)).ok_or(Exhausted)?;
        state.used.insert(found);
        state.last = found;
        Ok(Ipv4Addr::from(found))
    }

    /// Gives an address back.
    pub(crate) fn release(&self, address: Ipv4Addr) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).used.remove(&u32::from(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_round_before_one_is_used_again() {
        let block = Block::parse("10.244.3.0/29").unwrap();
        let addresses = Addresses::default();
        let first = addresses.take(block).unwrap();
        assert_eq!(first, Ipv4Addr::new(10, 244, 3, 2));
        addresses.release(first);
        let rest: Vec<_> = (0..5).map(|_| addresses.take(block).unwrap().octets()[3]).collect();
        assert_eq!(rest, [3, 4, 5, 6, 2]);
        assert_eq!(addresses.take(block), Err(Exhausted));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in ["", "10.244.0.0", "10.244.0.0/31", "10.244.0.0/0", "fd00::/64", "x/24"] {
            assert_eq!(Block::parse(text), None, "{text}");
        }
    }
}
