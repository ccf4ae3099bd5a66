//! What clients may take.

use std::time::Duration;

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Of them, from one address.
    pub connections_per_address: usize,
    /// Who may read events at the same time.
    pub event_readers: usize,
    /// From one request's end, or the connection's start, to the end of the next one's header.
    pub header: Duration,
    /// For a request's body.
    pub body: Duration,
    /// For all bodies together, in MiB.
    pub body_memory: usize,
    /// Without a byte of the answer being taken.
    pub write: Duration,
}

impl Limits {
    /// The same with no more connections than these, of which the shares are then as they are where nothing is set.
    #[must_use]
    pub fn within(self, connections: usize) -> Self {
        if self.connections <= connections {
            return self;
        }
        Self {
            connections,
            connections_per_address: self.connections_per_address.min(of_an_address(connections)),
            event_readers: self.event_readers.min(of_event_readers(connections)),
            ..self
        }
    }
}

/// Some stay for others than one address.
pub fn of_an_address(connections: usize) -> usize {
    connections - connections / 10
}

/// Some stay for what comes and goes.
pub fn of_event_readers(connections: usize) -> usize {
    connections - connections.div_ceil(5)
}
