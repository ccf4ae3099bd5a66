//! Limits on what clients can use.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    pub connections_per_address: usize,
    /// Subscribers of the event stream at the same time.
    pub event_subscribers: usize,
    /// Time from the start of a connection or the end of a request to the end of the next request's header.
    pub header: Duration,
    /// Time for the body of a request.
    pub body: Duration,
    /// Memory for the bodies of all requests, in MiB.
    pub body_memory: usize,
    /// Time in which a client reads nothing of a response.
    pub write: Duration,
}

impl Limits {
    /// Lowers the limit of connections. The other two limits are lowered to their defaults for it.
    pub fn within(self, connections: usize) -> Self {
        if self.connections <= connections {
            return self;
        }
        Self {
            connections,
            connections_per_address: self.connections_per_address.min(default_per_address(connections)),
            event_subscribers: self.event_subscribers.min(default_event_subscribers(connections)),
            ..self
        }
    }
}

/// Nine tenths, so that one address cannot use all connections.
pub fn default_per_address(connections: usize) -> usize {
    connections - connections / 10
}

/// Four fifths, so that event streams leave connections for short requests.
pub fn default_event_subscribers(connections: usize) -> usize {
    connections - connections.div_ceil(5)
}
