use core::time::Duration;

/// What a server puts up with: every bound it has, beside the constants that name those which nobody needs to change.
///
/// ```
/// use mirage_http::Limits;
///
/// let limits = Limits { body: 10 << 20, ..Limits::default() };
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request's head, from the method to the empty line; more is 431. By default 8,192.
    pub head: usize,
    /// Bytes of an address; more is 414. By default 4,096.
    pub uri: usize,
    /// Header fields of a request; more is 431. By default 64.
    pub fields: usize,
    /// Bytes of a request's body; more is 413. By default 1 MiB.
    pub body: u64,
    /// From a request's first byte to the end of its head, and from a connection's start to its first head; longer is 408. By
    /// default 10 s.
    pub head_time: Duration,
    /// For each 512 bytes of a body, while the handler waits for them; longer is 408. By default 15 s.
    pub body_time: Duration,
    /// For each 16 KiB of an answer to be taken; a client that takes longer is cut off. By default 30 s.
    pub write_time: Duration,
    /// From an answer to the next request's first byte, after which the connection is ended. By default 30 s.
    pub idle_time: Duration,
    /// What requests that are under way have when the server is told to stop. By default 5 s.
    pub stop_time: Duration,
    /// Connections at a time. Further ones wait in the listener's backlog. By default 128.
    pub connections: usize,
    /// Requests on one connection, after which it is ended. By default 1,000.
    pub requests: u32,
    /// Whether answers have a `Date` (RFC 9110, section 6.6.1, asks it of servers that have a clock). By default so.
    pub date: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 8_192,
            uri: 4_096,
            fields: 64,
            body: 1 << 20,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(15),
            write_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(30),
            stop_time: Duration::from_secs(5),
            connections: 128,
            requests: 1_000,
            date: true,
        }
    }
}
