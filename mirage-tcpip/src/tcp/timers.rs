//! When to look after which connection: a heap in which every connection is once at most, and can be moved.

use alloc::vec::Vec;

use mirage_sig::Instant;

#[derive(Default)]
pub(crate) struct Timers {
    heap: Vec<(Instant, u32)>,
    /// Of each connection, its place in the heap plus one; 0 if it has none.
    places: Vec<u32>,
}

impl Timers {
    /// The earliest, and whose it is.
    pub fn first(&self) -> Option<(Instant, u32)> {
        self.heap.first().copied()
    }

    /// Gives a connection its time, or takes it away with the end of time.
    pub fn set(&mut self, id: u32, at: Instant) {
        let index = id as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, 0);
        }
        let place = self.places[index] as usize;
        match (place, at < Instant::END) {
            (0, false) => {}
            (0, true) => {
                self.heap.push((at, id));
                self.up(self.heap.len() - 1);
            }
            (place, true) => {
                let place = place - 1;
                let before = core::mem::replace(&mut self.heap[place].0, at);
                if at < before { self.up(place) } else { self.down(place) }
            }
            (place, false) => {
                let place = place - 1;
                self.places[index] = 0;
                self.heap.swap_remove(place);
                if place < self.heap.len() {
                    self.up(place);
                    // Whoever is there now: it has moved up, or it may have to go down.
                    self.down(place);
                }
            }
        }
    }

    fn up(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent].0 <= self.heap[place].0 {
                break;
            }
            self.heap.swap(parent, place);
            self.note(place);
            place = parent;
        }
        self.note(place);
    }

    fn down(&mut self, mut place: usize) {
        loop {
            let mut least = place;
            for child in [2 * place + 1, 2 * place + 2] {
                if child < self.heap.len() && self.heap[child].0 < self.heap[least].0 {
                    least = child;
                }
            }
            if least == place {
                break;
            }
            self.heap.swap(least, place);
            self.note(place);
            place = least;
        }
        self.note(place);
    }

    fn note(&mut self, place: usize) {
        let id = self.heap[place].1;
        self.places[id as usize] = place as u32 + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_earliest_comes_first(steps in prop::collection::vec((0_u32..40, 0_u64..50), 1..400)) {
            let mut timers = Timers::default();
            let mut model = alloc::collections::BTreeMap::new();
            for (id, at) in steps {
                // 0 takes it away.
                let at = if at == 0 { Instant::END } else { Instant::from_nanos(at) };
                timers.set(id, at);
                if at == Instant::END { model.remove(&id); } else { model.insert(id, at); }
                prop_assert_eq!(timers.first().map(|(at, _)| at), model.values().min().copied());
                prop_assert_eq!(timers.heap.len(), model.len());
            }
            while let Some((at, id)) = timers.first() {
                prop_assert_eq!(model.remove(&id), Some(at));
                timers.set(id, Instant::END);
            }
            prop_assert!(model.is_empty());
        }
    }
}
