//! How many connections each address has.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// The addresses that have connections, with how many.
pub struct Addresses {
    most: usize,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address; it counts until it goes.
pub struct Share {
    address: IpAddr,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Addresses {
    /// So many for each.
    pub fn new(most: usize) -> Self {
        Self { most, counts: Arc::default() }
    }

    /// Counts one more; nothing where the address has as many as it may.
    pub fn share(&self, address: IpAddr) -> Option<Share> {
        let address = group(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { address, counts: self.counts.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Who has one IPv6 address has a network of 64 bits of them.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::Addresses;

    #[test]
    fn an_address_has_as_many_as_it_may_and_another_one_when_one_goes() {
        let addresses = Addresses::new(2);
        let share = |address: &str| addresses.share(address.parse().unwrap());
        let (first, second) = (share("10.0.0.1"), share("::ffff:10.0.0.1"));
        assert!(first.is_some() && second.is_some() && share("10.0.0.1").is_none());
        assert!(share("10.0.0.2").is_some());
        drop(first);
        assert!(share("10.0.0.1").is_some());
        drop(second);
        assert!(addresses.counts.lock().unwrap().is_empty(), "what is counted goes with the last connection");
    }

    #[test]
    fn a_network_of_64_bits_counts_as_one_address() {
        let addresses = Addresses::new(1);
        let first = addresses.share("2001:db8::1".parse().unwrap());
        assert!(first.is_some() && addresses.share("2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(addresses.share("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}
