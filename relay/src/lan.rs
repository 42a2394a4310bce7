//! The LANs: who is in which, and the way of a frame from one port to the others.

mod name;
pub mod switch;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub use name::{BadName, LanName};
use switch::{Forward, PortId, Switch};

use crate::capture::Capture;
use crate::config::Limits;
use crate::metrics::{Counter, Metrics, header, sample};
use crate::nat::{self, Orders, Plan};

/// All LANs of a relay. A LAN exists while a client or a TAP is in it.
pub struct Hub {
    lans: Mutex<HashMap<LanName, Resident>>,
    limits: Limits,
    plan: Option<Arc<Plan>>,
    capture: Option<Capture>,
    metrics: Arc<Metrics>,
}

struct Resident {
    lan: Arc<Lan>,
    /// Clients and TAPs, without the gateway.
    members: usize,
    gateway: Option<(AbortHandle, Orders)>,
}

/// One switch and what is plugged into it.
pub struct Lan {
    name: LanName,
    state: Mutex<State>,
    capture: Option<Capture>,
    metrics: Arc<Metrics>,
    frames: Counter,
    bytes: Counter,
}

#[derive(Default)]
struct State {
    switch: Switch,
    outlets: BTreeMap<PortId, mpsc::Sender<Bytes>>,
}

/// A cable into a LAN. Dropping it pulls it out.
pub struct Port {
    cable: Cable,
    /// The frames for whoever holds the cable. When it is full, what comes is dropped.
    pub frames: mpsc::Receiver<Bytes>,
    hub: Arc<Hub>,
}

/// The way into a LAN at one port.
#[derive(Clone)]
pub struct Cable {
    lan: Arc<Lan>,
    id: PortId,
}

/// There is no room for another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// In this LAN.
    Lan,
    /// In the relay.
    Relay,
}

impl Hub {
    /// A relay's LANs, none of which exists yet.
    pub fn new(limits: Limits, plan: Option<Plan>, capture: Option<Capture>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { lans: Mutex::default(), limits, plan: plan.map(Arc::new), capture, metrics })
    }

    /// What the relay counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The bounds of the relay.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Plugs somebody into the LAN `name`, which begins to exist if it did not. Must be called in a tokio runtime, as a new LAN
    /// may have a gateway.
    ///
    /// # Errors
    /// The LAN or the relay is full.
    pub fn enter(self: &Arc<Self>, name: &LanName) -> Result<Port, Full> {
        let mut lans = lock(&self.lans);
        if lans.values().map(|resident| resident.members).sum::<usize>() >= self.limits.clients {
            return Err(Full::Relay);
        }
        let resident = lans.entry(name.clone()).or_insert_with(|| self.found(name));
        if resident.members >= self.limits.clients_per_lan {
            return Err(Full::Lan);
        }
        resident.members += 1;
        let (id, frames) = resident.lan.plug(self.limits.queue);
        Ok(Port { cable: Cable { lan: resident.lan.clone(), id }, frames, hub: self.clone() })
    }

    /// The way to the gateway of a LAN, if it exists and has one.
    pub fn gateway(&self, name: &LanName) -> Option<Orders> {
        Some(lock(&self.lans).get(name)?.gateway.as_ref()?.1.clone())
    }

    fn found(&self, name: &LanName) -> Resident {
        let lan = Arc::new(Lan {
            name: name.clone(),
            state: Mutex::default(),
            capture: self.capture.clone(),
            metrics: self.metrics.clone(),
            frames: Counter::default(),
            bytes: Counter::default(),
        });
        let gateway = self.plan.as_ref().filter(|plan| plan.serves(name)).map(|plan| {
            let (id, frames) = lan.plug(self.limits.gateway_queue);
            nat::spawn(Cable { lan: lan.clone(), id }, frames, plan.clone(), self.metrics.clone())
        });
        Resident { lan, members: 0, gateway }
    }

    fn leave(&self, cable: &Cable) {
        cable.lan.unplug(cable.id);
        let mut lans = lock(&self.lans);
        let Some(resident) = lans.get_mut(&cable.lan.name) else { return };
        resident.members = resident.members.saturating_sub(1);
        if resident.members == 0
            && let Some(Resident { gateway: Some((gateway, _)), .. }) = lans.remove(&cable.lan.name)
        {
            gateway.abort();
        }
    }

    /// The metrics of the relay and of each LAN, in Prometheus' text format.
    pub fn write_metrics(&self, out: &mut String) {
        self.metrics.write(out);
        let mut lans: Vec<_> =
            lock(&self.lans).values().map(|resident| (resident.lan.clone(), resident.members)).collect();
        lans.sort_unstable_by(|a, b| a.0.name.cmp(&b.0.name));
        type Read = fn(&(Arc<Lan>, usize)) -> u64;
        let per_lan: [(&str, &str, &str, Read); 4] = [
            ("mirage_relay_lan_clients", "gauge", "Clients in the LAN.", |(_, members)| *members as u64),
            ("mirage_relay_lan_addresses", "gauge", "Addresses that the LAN's switch knows.", |(lan, _)| {
                lock(&lan.state).switch.addresses() as u64
            }),
            ("mirage_relay_lan_frames_total", "counter", "Frames forwarded since the LAN exists.", |(lan, _)| {
                lan.frames.get()
            }),
            ("mirage_relay_lan_bytes_total", "counter", "Bytes of these frames.", |(lan, _)| lan.bytes.get()),
        ];
        for (name, kind, help, read) in per_lan {
            header(out, name, kind, help);
            for lan in &lans {
                sample(out, name, &format!("{{lan=\"{}\"}}", lan.0.name), read(lan));
            }
        }
    }
}

impl Lan {
    fn plug(&self, queue: usize) -> (PortId, mpsc::Receiver<Bytes>) {
        let (outlet, frames) = mpsc::channel(queue.max(1));
        let mut state = lock(&self.state);
        let id = state.switch.plug();
        state.outlets.insert(id, outlet);
        (id, frames)
    }

    fn unplug(&self, id: PortId) {
        let mut state = lock(&self.state);
        state.switch.unplug(id);
        state.outlets.remove(&id);
    }
}

impl Cable {
    /// The LAN at the other end.
    pub fn lan(&self) -> &LanName {
        &self.lan.name
    }

    /// Gives a frame to the switch, and says for how many ports it was queued. Never waits: a port whose queue is full does not
    /// get it.
    pub fn send(&self, frame: &Bytes) -> usize {
        let metrics = &self.lan.metrics;
        let mut state = lock(&self.lan.state);
        let forward = state.switch.forward(self.id, frame, Instant::now());
        let (mut sent, mut dropped, mut refused) = (0, 0, None);
        let mut queue = |outlet: &mpsc::Sender<Bytes>| match outlet.try_send(frame.clone()) {
            Ok(()) => sent += 1,
            Err(_) => dropped += 1,
        };
        match forward {
            Forward::To(port) => {
                if let Some(outlet) = state.outlets.get(&port) {
                    queue(outlet);
                }
            }
            Forward::Flood => {
                state.outlets.iter().filter(|(port, _)| **port != self.id).for_each(|(_, outlet)| queue(outlet));
            }
            Forward::Home => {}
            Forward::Invalid => refused = Some(&metrics.dropped_source),
            Forward::Reserved => refused = Some(&metrics.dropped_reserved),
        }
        drop(state);
        if let Some(refused) = refused {
            refused.up();
            return 0;
        }
        let length = frame.len() as u64;
        metrics.frames_in.up();
        metrics.bytes_in.add(length);
        metrics.frames_out.add(sent as u64);
        metrics.dropped_queue.add(dropped);
        self.lan.frames.up();
        self.lan.bytes.add(length);
        if let Some(capture) = &self.lan.capture
            && !capture.take(&self.lan.name, frame)
        {
            metrics.capture_dropped.up();
        }
        sent
    }
}

impl Port {
    /// The way in, which can be kept apart from the frames that come out.
    pub fn cable(&self) -> Cable {
        self.cable.clone()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.hub.leave(&self.cable);
    }
}

/// Nothing that is locked here is left half done by a panic, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(limits: Limits) -> Arc<Hub> {
        Hub::new(limits, None, None, Arc::default())
    }

    fn frame(destination: u8, source: u8, length: usize) -> Bytes {
        let mut frame = vec![0; length];
        frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, destination, 2, 0, 0, 0, 0, source]);
        frame.into()
    }

    #[test]
    fn a_frame_reaches_the_others_of_its_lan_and_nobody_else() {
        let hub = hub(Limits::default());
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        let (mut a, mut b, mut c) = (hub.enter(&one).unwrap(), hub.enter(&one).unwrap(), hub.enter(&two).unwrap());
        assert_eq!(a.cable().send(&frame(9, 1, 60)), 1);
        assert_eq!(b.frames.try_recv().unwrap().len(), 60);
        assert!(a.frames.try_recv().is_err() && c.frames.try_recv().is_err());
    }

    #[test]
    fn a_full_queue_drops_and_does_not_hold_up_the_others() {
        let hub = hub(Limits { queue: 4, ..Limits::default() });
        let lan = "lan".parse().unwrap();
        let (a, mut b, mut c) = (hub.enter(&lan).unwrap(), hub.enter(&lan).unwrap(), hub.enter(&lan).unwrap());
        for _ in 0..10 {
            a.cable().send(&frame(9, 1, 60));
            assert!(c.frames.try_recv().is_ok());
        }
        assert_eq!(hub.metrics().dropped_queue.get(), 6);
        assert_eq!(std::iter::from_fn(|| b.frames.try_recv().ok()).count(), 4);
    }

    #[test]
    fn a_lan_lasts_as_long_as_somebody_is_in_it() {
        let hub = hub(Limits { clients: 3, clients_per_lan: 2, ..Limits::default() });
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        let (a, b) = (hub.enter(&one).unwrap(), hub.enter(&one).unwrap());
        assert_eq!(hub.enter(&one).err(), Some(Full::Lan));
        let c = hub.enter(&two).unwrap();
        assert_eq!(hub.enter(&two).err(), Some(Full::Relay));
        let mut text = String::new();
        hub.write_metrics(&mut text);
        assert!(
            text.contains("mirage_relay_lan_clients{lan=\"one\"} 2\nmirage_relay_lan_clients{lan=\"two\"} 1\n"),
            "{text}"
        );
        drop((a, b, c));
        assert!(lock(&hub.lans).is_empty());
        assert!(hub.enter(&one).is_ok());
    }
}
