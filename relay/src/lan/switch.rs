//! A learning switch (IEEE 802.1D, section 7): where does a frame go? Decides and remembers, and does no input or output.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long an address is remembered that sends nothing: the standard's default ageing time (IEEE 802.1D, table 7-5).
pub const AGEING: Duration = Duration::from_secs(300);

/// Addresses in the table at most. What is not in it is flooded, as everything is before it is learned.
pub const ADDRESSES_MAX: usize = 8192;

/// Addresses learned from one port at most: one client that invents addresses does not take the others' places. A bridge behind
/// a TAP has many, so it is not one.
pub const ADDRESSES_PER_PORT_MAX: usize = 256;

/// Destination, source and type: what every Ethernet II frame begins with.
pub const HEADER_LEN: usize = 14;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// A socket of the switch. Never used twice in the life of a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(u64);

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// It goes out at one port.
    To(PortId),
    /// It goes out at every port but the one where it came in.
    Flood,
    /// It goes nowhere: its destination is where it came from.
    Home,
    /// It goes nowhere: it is shorter than an Ethernet header, or its source is a group or zero.
    Invalid,
    /// It goes nowhere: its destination is for the bridge alone (`01:80:c2:00:00:00` to `0f`, IEEE 802.1D, 7.12.6).
    Reserved,
}

/// The table of a switch.
#[derive(Debug, Default)]
pub struct Switch {
    table: HashMap<Mac, Place>,
    ports: HashMap<PortId, usize>,
    next: u64,
    /// When the table was last looked through for aged addresses: not more often than once a second, as it takes time.
    swept: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    port: PortId,
    heard: Instant,
}

impl Switch {
    /// A new port.
    pub fn plug(&mut self) -> PortId {
        let id = PortId(self.next);
        self.next += 1;
        self.ports.insert(id, 0);
        id
    }

    /// Takes a port away, and what was learned from it.
    pub fn unplug(&mut self, port: PortId) {
        if self.ports.remove(&port).is_some_and(|addresses| addresses > 0) {
            self.table.retain(|_, place| place.port != port);
        }
    }

    /// How many addresses it knows.
    pub fn addresses(&self) -> usize {
        self.table.len()
    }

    /// Where the `frame` goes that came in at the port `from`. Learns its source.
    pub fn forward(&mut self, from: PortId, frame: &[u8], now: Instant) -> Forward {
        let (Some(destination), Some(source)) = (address(frame, 0), address(frame, 6)) else { return Forward::Invalid };
        if frame.len() < HEADER_LEN || is_group(source) || source == [0; 6] {
            return Forward::Invalid;
        }
        if destination[..5] == [0x01, 0x80, 0xc2, 0x00, 0x00] && destination[5] < 0x10 {
            return Forward::Reserved;
        }
        self.learn(source, from, now);
        if is_group(destination) {
            return Forward::Flood;
        }
        match self.table.get(&destination) {
            Some(place) if now.saturating_duration_since(place.heard) >= AGEING => {
                let port = place.port;
                self.table.remove(&destination);
                self.count_down(port);
                Forward::Flood
            }
            Some(place) if place.port == from => Forward::Home,
            Some(place) => Forward::To(place.port),
            None => Forward::Flood,
        }
    }

    fn learn(&mut self, source: Mac, from: PortId, now: Instant) {
        if let Some(place) = self.table.get_mut(&source) {
            place.heard = now;
            let old = std::mem::replace(&mut place.port, from);
            if old != from {
                // It moved: a tab was closed, and opened again.
                self.count_down(old);
                *self.ports.entry(from).or_default() += 1;
            }
            return;
        }
        let full = |switch: &Self| {
            switch.table.len() >= ADDRESSES_MAX
                || switch.ports.get(&from).is_none_or(|addresses| *addresses >= ADDRESSES_PER_PORT_MAX)
        };
        if full(self) {
            self.sweep(now);
        }
        if !full(self) {
            self.table.insert(source, Place { port: from, heard: now });
            *self.ports.entry(from).or_default() += 1;
        }
    }

    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now.saturating_duration_since(swept) < Duration::from_secs(1)) {
            return;
        }
        self.swept = Some(now);
        self.table.retain(|_, place| now.saturating_duration_since(place.heard) < AGEING);
        self.ports.values_mut().for_each(|addresses| *addresses = 0);
        for place in self.table.values() {
            *self.ports.entry(place.port).or_default() += 1;
        }
    }

    fn count_down(&mut self, port: PortId) {
        if let Some(addresses) = self.ports.get_mut(&port) {
            *addresses = addresses.saturating_sub(1);
        }
    }
}

fn address(frame: &[u8], at: usize) -> Option<Mac> {
    frame.get(at..at + 6)?.try_into().ok()
}

/// The address of many: broadcast or multicast (IEEE 802, section 8.2.2).
pub fn is_group(address: Mac) -> bool {
    address[0] & 1 != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(destination: Mac, source: Mac) -> Vec<u8> {
        [&destination[..], &source, &[0x08, 0x00]].concat()
    }

    const A: Mac = [2, 0, 0, 0, 0, 1];
    const B: Mac = [2, 0, 0, 0, 0, 2];
    const ALL: Mac = [0xff; 6];

    #[test]
    fn what_is_not_known_is_flooded_and_what_is_known_is_not() {
        let now = Instant::now();
        let mut switch = Switch::default();
        let (a, b) = (switch.plug(), switch.plug());
        assert_eq!(switch.forward(a, &frame(B, A), now), Forward::Flood);
        assert_eq!(switch.forward(b, &frame(A, B), now), Forward::To(a));
        assert_eq!(switch.forward(a, &frame(B, A), now), Forward::To(b));
        assert_eq!(switch.forward(a, &frame(ALL, A), now), Forward::Flood);
        assert_eq!(switch.forward(a, &frame([0x33, 0x33, 0, 0, 0, 1], A), now), Forward::Flood);
        assert_eq!(switch.forward(a, &frame(A, A), now), Forward::Home);
    }

    #[test]
    fn addresses_move_age_and_go_with_their_port() {
        let now = Instant::now();
        let mut switch = Switch::default();
        let (a, b, c) = (switch.plug(), switch.plug(), switch.plug());
        switch.forward(a, &frame(ALL, A), now);
        switch.forward(c, &frame(ALL, A), now);
        assert_eq!(switch.forward(b, &frame(A, B), now), Forward::To(c), "it moved");
        let later = now + AGEING;
        assert_eq!(switch.forward(b, &frame(A, B), later), Forward::Flood, "it aged");
        switch.forward(c, &frame(ALL, A), later);
        switch.unplug(c);
        assert_eq!(switch.forward(b, &frame(A, B), later), Forward::Flood, "its port is gone");
        assert_eq!(switch.addresses(), 1);
    }

    #[test]
    fn frames_that_no_station_sends_go_nowhere() {
        let now = Instant::now();
        let mut switch = Switch::default();
        let a = switch.plug();
        assert_eq!(switch.forward(a, &[], now), Forward::Invalid);
        assert_eq!(switch.forward(a, &[0; 13], now), Forward::Invalid);
        assert_eq!(switch.forward(a, &frame(B, ALL), now), Forward::Invalid);
        assert_eq!(switch.forward(a, &frame(B, [0; 6]), now), Forward::Invalid);
        assert_eq!(switch.forward(a, &frame([1, 0x80, 0xc2, 0, 0, 0x0e], A), now), Forward::Reserved);
        assert_eq!(switch.forward(a, &frame([1, 0x80, 0xc2, 0, 0, 0x10], A), now), Forward::Flood);
    }

    #[test]
    fn who_invents_addresses_takes_nobodys_place() {
        let mut now = Instant::now();
        let mut switch = Switch::default();
        let (a, b) = (switch.plug(), switch.plug());
        for n in 0..100_000_u32 {
            let [.., x, y, z] = n.to_be_bytes();
            switch.forward(a, &frame(ALL, [2, 9, 9, x, y, z]), now);
            now += Duration::from_micros(10);
        }
        assert_eq!(switch.addresses(), ADDRESSES_PER_PORT_MAX);
        switch.forward(b, &frame(ALL, B), now);
        assert_eq!(switch.forward(a, &frame(B, A), now), Forward::To(b));
        now += AGEING;
        switch.forward(a, &frame(ALL, A), now);
        assert_eq!(switch.forward(b, &frame(A, B), now), Forward::To(a), "aged addresses make room");
    }

    proptest! {
        /// Against a model: the last port that a source was heard at, for addresses and ports few enough that neither bound is
        /// reached and nothing ages.
        #[test]
        fn it_forwards_to_where_an_address_was_last_heard(
            steps in prop::collection::vec((0..6_usize, 0..8_u8, 0..8_u8, any::<bool>()), 0..300),
        ) {
            let now = Instant::now();
            let mut switch = Switch::default();
            let mut ports: Vec<PortId> = (0..6).map(|_| switch.plug()).collect();
            let mut heard: HashMap<u8, PortId> = HashMap::new();
            for (port, source, destination, replug) in steps {
                if replug && source == 0 {
                    switch.unplug(ports[port]);
                    heard.retain(|_, at| *at != ports[port]);
                    ports[port] = switch.plug();
                }
                let from = ports[port];
                let got = switch.forward(from, &frame([2, 0, 0, 0, 1, destination], [2, 0, 0, 0, 1, source]), now);
                heard.insert(source, from);
                let expected = match heard.get(&destination) {
                    Some(at) if *at == from => Forward::Home,
                    Some(at) => Forward::To(*at),
                    None => Forward::Flood,
                };
                prop_assert_eq!(got, expected);
                prop_assert_eq!(switch.addresses(), heard.len());
            }
        }
    }
}
