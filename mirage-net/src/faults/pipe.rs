//! One direction, without I/O: frames go in at one time and come out at another, if at all.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use mirage_sig::Instant;

use super::random::Pcg;
use super::{Control, Counters, Impairment};

/// The longest jitter, in microseconds.
const JITTER_MAX: u128 = 1_800_000_000;

#[derive(Default)]
pub struct Pipe {
    /// By the time at which they are out.
    under_way: VecDeque<(Instant, Vec<u8>)>,
    /// When those that wait for the rate will have gone.
    going: VecDeque<Instant>,
    /// When all that was let in will have gone, without the burst: the theoretical arrival time of the generic cell
    /// rate algorithm (ITU-T I.371, annex A), which is a token bucket in one number.
    busy_until: Instant,
    /// When the last frame that was not held back is out.
    newest: Instant,
}

impl Pipe {
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.under_way.len() >= Control::UNDER_WAY_MAX
    }

    /// When the next frame is out.
    pub fn next(&self) -> Option<Instant> {
        self.under_way.front().map(|(due, _)| *due)
    }

    /// The next frame, if it is out by `now`.
    pub fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.under_way.pop_front_if(|(due, _)| *due <= now).map(|(_, frame)| frame)
    }

    /// Puts back a frame that was taken out: it is the next again.
    pub fn put_back(&mut self, now: Instant, frame: Vec<u8>) {
        self.under_way.push_front((now, frame));
    }

    /// Loses all that is under way: how many frames.
    pub fn clear(&mut self) -> u64 {
        let lost = self.under_way.len() as u64;
        *self = Self::default();
        lost
    }

    /// A frame goes in. Whether it will come out, at least once.
    pub fn push(
        &mut self,
        now: Instant,
        mut frame: Vec<u8>,
        with: &Impairment,
        random: &mut Pcg,
        counters: &mut Counters,
    ) -> bool {
        if random.chance(with.loss_ppm) {
            counters.lost += 1;
            return false;
        }
        if random.chance(with.corrupt_ppm) {
            let bit = random.below(frame.len() as u32 * 8);
            if let Some(byte) = frame.get_mut(bit as usize / 8) {
                *byte ^= 1 << (bit % 8);
                counters.corrupted += 1;
            }
        }
        let copy = random.chance(with.duplicate_ppm).then(|| frame.clone());
        let kept = self.send(now, frame, with, random, counters);
        if let Some(copy) = copy
            && self.send(now, copy, with, random, counters)
        {
            counters.duplicated += 1;
        }
        kept
    }

    fn send(
        &mut self,
        now: Instant,
        frame: Vec<u8>,
        with: &Impairment,
        random: &mut Pcg,
        counters: &mut Counters,
    ) -> bool {
        let room = !self.is_full();
        let Some(gone) = room.then(|| self.departure(now, frame.len(), with)).flatten() else {
            counters.overflowed += 1;
            return false;
        };
        let mut due = (gone + travel(with, random)).max(self.newest);
        if random.chance(with.reorder_ppm) {
            due = due + with.reorder_by;
            counters.reordered += 1;
        } else {
            self.newest = due;
        }
        let place = self.under_way.iter().rposition(|(other, _)| *other <= due).map_or(0, |before| before + 1);
        self.under_way.insert(place, (due, frame));
        true
    }

    /// When the rate has let a frame go; `None` if too many wait for that.
    fn departure(&mut self, now: Instant, length: usize, with: &Impairment) -> Option<Instant> {
        if with.rate_bps == 0 {
            return Some(now);
        }
        while self.going.pop_front_if(|gone| *gone <= now).is_some() {}
        if self.going.len() >= with.queue_frames.max(1) {
            return None;
        }
        let span = |bytes: u64| Duration::from_nanos(bytes.saturating_mul(8_000_000_000) / with.rate_bps);
        self.busy_until = self.busy_until.max(now) + span(length as u64);
        let burst = span(u64::from(with.burst_bytes)).as_nanos() as u64;
        let gone = Instant::from_nanos(self.busy_until.as_nanos().saturating_sub(burst)).max(now);
        self.going.push_back(gone);
        Some(gone)
    }
}

fn travel(with: &Impairment, random: &mut Pcg) -> Duration {
    let jitter = with.jitter.as_micros().min(JITTER_MAX) as u32;
    if jitter == 0 {
        return with.delay;
    }
    let more = Duration::from_micros(u64::from(random.below(2 * jitter + 1)));
    (with.delay.saturating_add(more)).saturating_sub(Duration::from_micros(u64::from(jitter)))
}
