//! Limits the connections of each address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

type ConnectionCounts = Arc<Mutex<HashMap<IpAddr, usize>>>;

pub struct AddressLimit {
    max: usize,
    counts: ConnectionCounts,
}

/// Counts as one connection of its address until it is dropped.
pub struct AddressPermit {
    address: IpAddr,
    counts: ConnectionCounts,
}

impl AddressLimit {
    pub fn new(max: usize) -> Self {
        Self { max, counts: Arc::default() }
    }

    /// `None` if the address has reached the limit.
    pub fn try_acquire(&self, address: IpAddr) -> Option<AddressPermit> {
        let address = network(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(AddressPermit { address, counts: self.counts.clone() })
    }
}

impl Drop for AddressPermit {
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

/// A client with an IPv6 address usually controls the whole network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::AddressLimit;

    #[test]
    fn an_address_at_its_limit_can_connect_again_after_a_connection_closes() {
        let limit = AddressLimit::new(2);
        let acquire = |address: &str| limit.try_acquire(address.parse().unwrap());
        let (first, second) = (acquire("10.0.0.1"), acquire("::ffff:10.0.0.1"));
        assert!(first.is_some() && second.is_some() && acquire("10.0.0.1").is_none());
        assert!(acquire("10.0.0.2").is_some());
        drop(first);
        assert!(acquire("10.0.0.1").is_some());
        drop(second);
        assert!(limit.counts.lock().unwrap().is_empty(), "no address is counted after its last connection");
    }

    #[test]
    fn an_ipv6_network_of_64_bits_counts_as_one_address() {
        let limit = AddressLimit::new(1);
        let first = limit.try_acquire("2001:db8::1".parse().unwrap());
        assert!(first.is_some() && limit.try_acquire("2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(limit.try_acquire("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}
