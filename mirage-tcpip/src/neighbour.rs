//! The stations on our link: their Ethernet addresses, and who waits for one (RFC 1122 2.3.2, RFC 4861 7).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::Waker;
use core::time::Duration;

use hashbrown::HashMap;
use mirage_sig::{Instant, Mac};

use crate::engine::{Engine, after, register, wake_all};
use crate::hash::Key;
use crate::stats::Neighbour;

/// How long an answer is trusted. After that it is used on, and asked for again beside.
const FRESH: Duration = Duration::from_secs(60);
/// Between two questions for the same address.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Questions without an answer.
const ASK_MAX: u8 = 3;
/// How long it is remembered that nobody answered.
const FAILED_FOR: Duration = Duration::from_secs(1);

pub(crate) struct Neighbours {
    table: HashMap<IpAddr, Entry, Key>,
    /// When to ask again; each waits as long as every other one, so they are in order.
    asking: VecDeque<(Instant, IpAddr)>,
}

struct Entry {
    mac: Mac,
    state: State,
    /// When it was last asked for, and how often in a row.
    asked: Instant,
    tries: u8,
    /// When it was last of use to us.
    used: Instant,
    connections: Vec<u32>,
    wakers: Vec<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Asking,
    /// And when that was confirmed.
    Known(Instant),
    /// Until when nobody is asked again.
    Failed(Instant),
}

/// What is known of a station.
pub(crate) enum Answer {
    Known(Mac),
    Asking,
    Nobody,
}

impl Neighbours {
    pub fn new(key: Key) -> Self {
        Self { table: HashMap::with_hasher(key), asking: VecDeque::new() }
    }

    pub fn next_deadline(&self) -> Instant {
        self.asking.front().map_or(Instant::END, |(at, _)| *at)
    }

    /// Has this connection looked after again when `hop` is known, or is known not to be.
    pub fn wait(&mut self, hop: IpAddr, connection: u32) {
        if let Some(entry) = self.table.get_mut(&hop)
            && !entry.connections.contains(&connection)
        {
            entry.connections.push(connection);
        }
    }

    pub fn wake_on(&mut self, hop: IpAddr, waker: &Waker) {
        if let Some(entry) = self.table.get_mut(&hop) {
            register(&mut entry.wakers, waker);
        }
    }

    pub fn close(&mut self) {
        self.table.values_mut().for_each(|entry| wake_all(&mut entry.wakers));
        self.asking.clear();
    }

    pub fn list(&self, now: Instant) -> Vec<Neighbour> {
        let known = self.table.iter().map(|(address, entry)| Neighbour {
            address: *address,
            mac: matches!(entry.state, State::Known(_)).then_some(entry.mac),
            fresh: matches!(entry.state, State::Known(since) if now - since < FRESH),
        });
        known.collect()
    }

    /// The entry that is missed least: never used by us, or longest ago.
    fn least_used(&self) -> Option<IpAddr> {
        self.table
            .iter()
            .min_by_key(|(_, entry)| (entry.state == State::Asking, entry.used))
            .map(|(address, _)| *address)
    }
}

impl Engine {
    /// The station at `hop`, on our link. If it is not known, it is asked for.
    pub fn neighbour(&mut self, hop: IpAddr) -> Answer {
        let now = self.now;
        let (ask, answer) = match self.neighbours.table.get_mut(&hop) {
            Some(entry) => {
                entry.used = now;
                match entry.state {
                    State::Known(since) if now - since < FRESH => (None, Answer::Known(entry.mac)),
                    State::Known(_) if entry.tries < ASK_MAX => {
                        let again = now - entry.asked >= ASK_EVERY;
                        if again {
                            (entry.asked, entry.tries) = (now, entry.tries + 1);
                        }
                        (again.then_some(Some(entry.mac)), Answer::Known(entry.mac))
                    }
                    State::Asking => (None, Answer::Asking),
                    State::Failed(until) if now < until => (None, Answer::Nobody),
                    State::Known(_) | State::Failed(_) => {
                        (entry.state, entry.asked, entry.tries) = (State::Asking, now, 1);
                        self.neighbours.asking.push_back((after(now, ASK_EVERY), hop));
                        (Some(None), Answer::Asking)
                    }
                }
            }
            None => {
                self.insert_neighbour(hop, Mac::BROADCAST, State::Asking, now);
                self.neighbours.asking.push_back((after(now, ASK_EVERY), hop));
                (Some(None), Answer::Asking)
            }
        };
        if let Some(known) = ask {
            self.ask_for(hop, known);
        }
        answer
    }

    fn insert_neighbour(&mut self, address: IpAddr, mac: Mac, state: State, used: Instant) {
        if self.neighbours.table.len() >= self.config.limits.neighbours.max(1)
            && let Some(least) = self.neighbours.least_used()
            && let Some(entry) = self.neighbours.table.remove(&least)
        {
            self.release(entry.connections, entry.wakers);
        }
        let entry = Entry { mac, state, asked: self.now, tries: 1, used, connections: Vec::new(), wakers: Vec::new() };
        self.neighbours.table.insert(address, entry);
    }

    /// Looks after all who waited for a station.
    fn release(&mut self, connections: Vec<u32>, mut wakers: Vec<Waker>) {
        connections.into_iter().for_each(|id| self.mark(id));
        wake_all(&mut wakers);
    }

    /// Sends a question: to all, or to the station that was known.
    fn ask_for(&mut self, hop: IpAddr, known: Option<Mac>) {
        self.stats.neighbours.asked += 1;
        match hop {
            IpAddr::V4(hop) => self.arp_ask(hop, known),
            IpAddr::V6(hop) => self.solicit(hop, known),
        }
    }

    /// A station told of itself. One that we have not asked for, and that has not asked for us, is not remembered.
    /// Whether it was news.
    pub fn heard_of(&mut self, address: IpAddr, mac: Mac, welcome: bool) -> bool {
        let now = self.now;
        match self.neighbours.table.get_mut(&address) {
            Some(entry) => {
                (entry.mac, entry.state, entry.tries) = (mac, State::Known(now), 0);
                let waiting = (core::mem::take(&mut entry.connections), core::mem::take(&mut entry.wakers));
                self.release(waiting.0, waiting.1);
                true
            }
            None if welcome => {
                self.insert_neighbour(address, mac, State::Known(now), Instant::START);
                true
            }
            None => false,
        }
    }

    pub fn expire_neighbours(&mut self) {
        while let Some(&(at, hop)) = self.neighbours.asking.front()
            && at <= self.now
        {
            self.neighbours.asking.pop_front();
            let Some(entry) = self.neighbours.table.get_mut(&hop) else { continue };
            if entry.state != State::Asking {
                continue;
            }
            if entry.tries < ASK_MAX {
                (entry.tries, entry.asked) = (entry.tries + 1, self.now);
                self.neighbours.asking.push_back((after(self.now, ASK_EVERY), hop));
                self.ask_for(hop, None);
            } else {
                entry.state = State::Failed(after(self.now, FAILED_FOR));
                let waiting = (core::mem::take(&mut entry.connections), core::mem::take(&mut entry.wakers));
                self.stats.neighbours.failed += 1;
                waiting.0.iter().for_each(|id| self.unreachable(*id));
                self.release(Vec::new(), waiting.1);
            }
        }
    }
}
