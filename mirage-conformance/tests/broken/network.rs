use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use mirage_conformance::fakes::{FakeNetwork, FakeRuntime};
use mirage_conformance::network::{self, NetworkRig};
use mirage_sig::{Link, Mac, Network, NetworkStats, SendError, Sleep};

use crate::{all_are_found, mistakes};

mistakes! {
    HasAGroupAddress => "`mac` is the interface's own address: unicast, and the same as long as it lives",
    BothHaveOneAddress => "`mac` is the interface's own address: unicast, and the same as long as it lives",
    ChangesItsAddress => "`mac` is the interface's own address: unicast, and the same as long as it lives",
    CountsTheHeaderInMtu => "A frame shorter than 14 bytes or longer than mtu() + 14 is SendError::Length, with what was asked for",
    MakesShortFramesLonger => "A frame shorter than 14 bytes or longer than mtu() + 14 is SendError::Length, with what was asked for",
    CutsLongFrames => "A frame shorter than 14 bytes or longer than mtu() + 14 is SendError::Length, with what was asked for",
    FillsWhatIsRefused => "`fill` is not called if the frame is not taken",
    FillsWhenFull => "`fill` is not called if the frame is not taken",
    UsesBuffersAgain => "`fill` is called with a zeroed buffer of just that size",
    TakesNothing => "`try_receive` gives None if there is no frame, and does not call `take`",
    PadsTo60 => "Frames come whole, unchanged, and in the order in which they were taken for sending",
    SwapsFrames => "Frames come whole, unchanged, and in the order in which they were taken for sending",
    HearsItself => "A frame that is sent arrives at the other end of the cable, and not at its own",
    CountsPayloadOnly => "`stats` counts the frames and their bytes, Ethernet headers included; counters never decrease",
    ReadableAtOnce => "`readable` waits until `try_receive` has a frame",
    ReadableSeesOnlyNews => "A frame that arrives between two waits makes the second one resolve at once",
    OnlyFirstWaiterWakes => "A second one who waits takes the first one's place",
    NeverWritable => "`writable` waits until `try_send` has room",
    WritableAtOnce => "`writable` waits until `try_send` has room",
    LosesWhenFull => "When the queue is full, the newest frames are dropped and counted",
    KeepsTheNewest => "When the queue is full, the newest frames are dropped and counted",
    DropsUncounted => "When the queue is full, the newest frames are dropped and counted",
    KeepsAll => "Queues are bounded",
    ChangeAtOnce => "`link_change` waits until the link is not `known` any more",
    ChangeNeverComes => "`link_change` waits until the link is not `known` any more",
    ChangeOnlyFromNow => "`link_change` tells what the link is now; at once if it is not `known`",
    PassesOnGarbage => "What is too long, too short, or not a frame is thrown away and counted in `rx_dropped`",
    SaysUpWhileDown => "`link` tells whether the cable is in, now",
    RefusesWhileDown => "While the link is down, frames are taken, lost, and counted in `tx_dropped`",
    LosesUncounted => "While the link is down, frames are taken, lost, and counted in `tx_dropped`",
    DownIsOnlySaid => "While the link is down, frames sent are lost, and none arrive",
    DeafAfterDown => "When the link is up again, frames pass again",
    GoneIsFull => "When the interface is gone for good, `try_send` says Gone",
    WaitsThoughGone => "`readable` and `writable` wait no longer than until the interface is gone",
}

struct Broken {
    inner: FakeNetwork,
    mistake: Option<Mistake>,
    runtime: FakeRuntime,
    calls: Cell<u8>,
    waiting: Rc<Cell<bool>>,
    been_down: Cell<bool>,
    /// What was taken out of the inner queue early, of both ends.
    stash: Rc<[RefCell<VecDeque<Vec<u8>>>; 2]>,
    both: [FakeNetwork; 2],
    end: usize,
    /// The link as it is said to be, for [`Mistake::DownIsOnlySaid`].
    said: Rc<Cell<Link>>,
    lost: Cell<u64>,
}

impl Broken {
    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// Takes all out of the queues, so that they are never full.
    fn drain(&self) {
        for (network, stash) in self.both.iter().zip(&*self.stash) {
            while let Some(frame) = network.try_receive(|frame| frame.to_vec()) {
                stash.borrow_mut().push_back(frame);
            }
        }
    }

    async fn link_is_not(&self, known: Link) -> Link {
        while self.said.get() == known {
            self.runtime.sleep(Duration::from_millis(1)).await;
        }
        self.said.get()
    }
}

struct Waiting<'a>(&'a Cell<bool>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Network for Broken {
    fn mac(&self) -> Mac {
        self.calls.set(self.calls.get().wrapping_add(1));
        match self.mistake {
            Some(Mistake::HasAGroupAddress) => Mac([1; 6]),
            Some(Mistake::BothHaveOneAddress) => Mac([2; 6]),
            Some(Mistake::ChangesItsAddress) => Mac([2, 0, 0, 0, self.calls.get(), self.end as u8]),
            _ => self.inner.mac(),
        }
    }

    fn mtu(&self) -> usize {
        self.inner.mtu() + if self.has(Mistake::CountsTheHeaderInMtu) { 14 } else { 0 }
    }

    fn link(&self) -> Link {
        match self.mistake {
            Some(Mistake::SaysUpWhileDown) => Link::Up,
            Some(Mistake::DownIsOnlySaid) => self.said.get(),
            _ => self.inner.link(),
        }
    }

    fn try_send<R>(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R, SendError> {
        let Some(mistake) = self.mistake else { return self.inner.try_send(length, fill) };
        let longest = self.inner.mtu() + 14;
        let down = self.inner.link() == Link::Down;
        self.been_down.set(self.been_down.get() | down);
        match mistake {
            Mistake::MakesShortFramesLonger if length < 14 => {
                self.inner.try_send(14, |frame| fill(&mut frame[..length]))
            }
            Mistake::CutsLongFrames if length > longest => self.inner.try_send(longest, fill),
            Mistake::FillsWhatIsRefused if !(14..=longest).contains(&length) => {
                fill(&mut []);
                Err(SendError::Length { asked: length, longest })
            }
            Mistake::FillsWhenFull | Mistake::LosesWhenFull if (14..=longest).contains(&length) => {
                let mut buffer = vec![0; length];
                match self.inner.try_send(length, |_| ()) {
                    Err(SendError::Full) => {
                        let result = fill(&mut buffer);
                        if mistake == Mistake::LosesWhenFull { Ok(result) } else { Err(SendError::Full) }
                    }
                    // Sent already, empty; which nobody looks at before the queue is full.
                    Ok(()) => {
                        let result = fill(&mut buffer);
                        self.stash[1 - self.end].borrow_mut().push_back(buffer);
                        Ok(result)
                    }
                    Err(error) => Err(error),
                }
            }
            Mistake::UsesBuffersAgain => self.inner.try_send(length, |frame| {
                frame[length - 1] = 1;
                fill(frame)
            }),
            Mistake::PadsTo60 if (14..60).contains(&length) => {
                self.inner.try_send(60, |frame| fill(&mut frame[..length]))
            }
            Mistake::HearsItself => self.inner.try_send(length, |frame| {
                let result = fill(frame);
                self.stash[self.end].borrow_mut().push_back(frame.to_vec());
                result
            }),
            Mistake::KeepsAll => {
                self.drain();
                self.inner.try_send(length, fill)
            }
            Mistake::RefusesWhileDown if down => Err(SendError::Full),
            Mistake::DownIsOnlySaid if self.said.get() == Link::Down && self.end == 0 => {
                self.lost.set(self.lost.get() + 1);
                self.inner.try_send(length, fill)
            }
            Mistake::DeafAfterDown if self.been_down.get() && !down => Ok(fill(&mut vec![0; length])),
            Mistake::GoneIsFull => self.inner.try_send(length, fill).map_err(|error| match error {
                SendError::Gone => SendError::Full,
                other => other,
            }),
            _ => self.inner.try_send(length, fill),
        }
    }

    fn try_receive<R>(&self, take: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let Some(mistake) = self.mistake else { return self.inner.try_receive(take) };
        let mut stash = self.stash[self.end].borrow_mut();
        match mistake {
            Mistake::TakesNothing => {
                let frame = self.inner.try_receive(|frame| frame.to_vec());
                let empty = frame.is_none();
                let result = take(&mut frame.unwrap_or_default());
                (!empty).then_some(result)
            }
            Mistake::SwapsFrames if stash.is_empty() => {
                let first = self.inner.try_receive(|frame| frame.to_vec());
                let second = self.inner.try_receive(|frame| frame.to_vec());
                stash.extend(first);
                second.or_else(|| stash.pop_front()).map(|mut frame| take(&mut frame))
            }
            Mistake::KeepsTheNewest if stash.is_empty() => {
                while let Some(frame) = self.inner.try_receive(|frame| frame.to_vec()) {
                    stash.push_back(frame);
                }
                // As if a few had made room for newer ones.
                if stash.len() == 64 {
                    stash.rotate_left(5);
                }
                stash.pop_front().map(|mut frame| take(&mut frame))
            }
            Mistake::FillsWhenFull | Mistake::LosesWhenFull => {
                self.inner.try_receive(|_| ()).and_then(|()| stash.pop_front()).map(|mut frame| take(&mut frame))
            }
            Mistake::KeepsAll => {
                drop(stash);
                self.drain();
                self.stash[self.end].borrow_mut().pop_front().map(|mut frame| take(&mut frame))
            }
            _ => match stash.pop_front() {
                Some(mut frame) => Some(take(&mut frame)),
                None => self.inner.try_receive(take),
            },
        }
    }

    async fn readable(&self) {
        match self.mistake {
            Some(Mistake::ReadableAtOnce) => {}
            Some(Mistake::ReadableSeesOnlyNews) => {
                let before = self.inner.stats().rx_frames;
                while self.inner.stats().rx_frames == before {
                    self.runtime.sleep(Duration::from_micros(100)).await;
                }
            }
            Some(Mistake::OnlyFirstWaiterWakes) => {
                if self.waiting.replace(true) {
                    pending::<()>().await;
                }
                let _waiting = Waiting(&self.waiting);
                self.inner.readable().await;
            }
            Some(Mistake::WaitsThoughGone) => {
                self.inner.readable().await;
                if self.inner.try_send(0, |_| ()) == Err(SendError::Gone) {
                    pending::<()>().await;
                }
            }
            Some(Mistake::FillsWhenFull | Mistake::LosesWhenFull) => self.inner.readable().await,
            _ if !self.stash[self.end].borrow().is_empty() => {}
            _ => self.inner.readable().await,
        }
    }

    async fn writable(&self) {
        match self.mistake {
            Some(Mistake::NeverWritable) => pending().await,
            Some(Mistake::WritableAtOnce) => {}
            _ => self.inner.writable().await,
        }
    }

    async fn link_change(&self, known: Link) -> Link {
        match self.mistake {
            Some(Mistake::ChangeAtOnce) => self.inner.link(),
            Some(Mistake::ChangeNeverComes) if known == self.inner.link() => pending().await,
            Some(Mistake::ChangeOnlyFromNow) => self.inner.link_change(self.inner.link()).await,
            Some(Mistake::DownIsOnlySaid) => self.link_is_not(known).await,
            _ => self.inner.link_change(known).await,
        }
    }

    fn stats(&self) -> NetworkStats {
        let stats = self.inner.stats();
        match self.mistake {
            Some(Mistake::CountsPayloadOnly) => {
                NetworkStats { rx_bytes: stats.rx_bytes - 14 * stats.rx_frames, ..stats }
            }
            Some(Mistake::DropsUncounted) => NetworkStats { rx_dropped: 0, ..stats },
            Some(Mistake::LosesUncounted) => NetworkStats { tx_dropped: 0, ..stats },
            Some(Mistake::DownIsOnlySaid) => NetworkStats { tx_dropped: self.lost.get(), ..stats },
            _ => stats,
        }
    }
}

struct Cables {
    runtime: FakeRuntime,
    mistake: Option<Mistake>,
    left: RefCell<Option<FakeNetwork>>,
    stash: Rc<[RefCell<VecDeque<Vec<u8>>>; 2]>,
    said: Rc<Cell<Link>>,
}

impl NetworkRig for Cables {
    type Network = Broken;
    type Error = Infallible;

    async fn cable(&self) -> Result<(Broken, Broken), Infallible> {
        let (left, right) = FakeNetwork::pair(&self.runtime, 1_500);
        self.left.replace(Some(left.clone()));
        let both = [left, right];
        let end = |end: usize| Broken {
            inner: both[end].clone(),
            mistake: self.mistake,
            runtime: self.runtime.clone(),
            calls: Cell::new(0),
            waiting: Rc::default(),
            been_down: Cell::new(false),
            stash: self.stash.clone(),
            both: both.clone(),
            end,
            said: self.said.clone(),
            lost: Cell::new(0),
        };
        Ok((end(0), end(1)))
    }

    async fn plug(&self, link: Link) -> bool {
        self.said.set(link);
        if self.mistake != Some(Mistake::DownIsOnlySaid) {
            self.left.borrow().iter().for_each(|left| left.plug(link));
        }
        true
    }

    async fn vanish(&self) -> bool {
        self.left.borrow().iter().for_each(FakeNetwork::vanish);
        true
    }

    async fn inject(&self, bytes: &[u8]) -> bool {
        if self.mistake == Some(Mistake::PassesOnGarbage) {
            self.stash[0].borrow_mut().push_back(bytes.to_vec());
        }
        self.left.borrow().iter().for_each(|left| left.inject(bytes));
        true
    }
}

#[test]
fn network_interface() {
    all_are_found(MISTAKES, |runtime, mistake| {
        let cables = Cables {
            runtime: runtime.clone(),
            mistake,
            left: RefCell::default(),
            stash: Rc::default(),
            said: Rc::new(Cell::new(Link::Up)),
        };
        runtime.run(network::suite(runtime, &cables))
    });
}
