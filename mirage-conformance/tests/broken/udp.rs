use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use mirage_conformance::fakes::FakeUdp;
use mirage_conformance::poll::yield_now;
use mirage_conformance::udp;
use mirage_sig::{NetErrorKind, UdpSocket};

use crate::stack::{Rig, Wrong, Wrongs};
use crate::{all_are_found, mistakes};

mistakes! {
    LocalPortIsZero => "`local` is the address it is bound to",
    DoesNotWait => "`receive_from` waits for the next datagram",
    LosesEmptyOnes => "A datagram that is sent can be received",
    AddsAByte => "Each datagram that comes is whole, which may be empty",
    SenderIsOurselves => "`receive_from` tells who sent the datagram",
    LengthIsThatOfAll => "What does not fit in the buffer is thrown away; the length is that of the part in the buffer",
    RestComesNext => "What does not fit in the buffer is thrown away; the length is that of the part in the buffer",
    CutsLongOnes => "A datagram that is longer than the stack can send is Exhausted, and nothing is sent",
    LongIsUnreachable => "A datagram that is longer than the stack can send is Exhausted, and nothing is sent",
    TakesAndThenWaits => "A `receive_from` that is dropped has lost no datagram",
    JoinsNothing => "`join` receives what is sent to the group; twice is as good as once",
    HearsAllGroups => "`join` receives what is sent to the group; twice is as good as once",
    JoinsOnce => "`join` receives what is sent to the group; twice is as good as once",
}

pub struct BrokenUdp {
    inner: FakeUdp,
    mistake: Option<Mistake>,
    rest: RefCell<Vec<u8>>,
    joined: RefCell<bool>,
}

impl BrokenUdp {
    pub fn new(inner: FakeUdp, mistake: Option<Mistake>) -> Self {
        Self { inner, mistake, rest: RefCell::default(), joined: RefCell::new(false) }
    }
}

impl UdpSocket for BrokenUdp {
    type Error = Wrong;

    async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> Result<(), Wrong> {
        match self.mistake {
            Some(Mistake::LosesEmptyOnes) if datagram.is_empty() => Ok(()),
            Some(Mistake::CutsLongOnes) => {
                Ok(self.inner.send_to(&datagram[..datagram.len().min(FakeUdp::LONGEST)], to).await?)
            }
            Some(Mistake::LongIsUnreachable) if datagram.len() > FakeUdp::LONGEST => {
                Err(Wrong(NetErrorKind::Unreachable))
            }
            _ => Ok(self.inner.send_to(datagram, to).await?),
        }
    }

    async fn receive_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), Wrong> {
        let rest = self.rest.take();
        if !rest.is_empty() {
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            return Ok((count, self.inner.local()));
        }
        let mut whole = vec![0; FakeUdp::LONGEST];
        let (length, from) = match self.mistake {
            Some(Mistake::DoesNotWait) => (0, self.inner.local()),
            _ => self.inner.receive_from(&mut whole).await?,
        };
        let count = length.min(buffer.len());
        buffer[..count].copy_from_slice(&whole[..count]);
        match self.mistake {
            Some(Mistake::AddsAByte) if length > 0 && count < buffer.len() => Ok((count + 1, from)),
            Some(Mistake::SenderIsOurselves) => Ok((count, self.inner.local())),
            Some(Mistake::LengthIsThatOfAll) => Ok((length, from)),
            Some(Mistake::RestComesNext) => {
                self.rest.replace(whole[count..length].to_vec());
                Ok((count, from))
            }
            Some(Mistake::TakesAndThenWaits) => {
                yield_now().await;
                Ok((count, from))
            }
            _ => Ok((count, from)),
        }
    }

    fn join(&self, group: IpAddr) -> Result<(), Wrong> {
        let again = self.joined.replace(true);
        match self.mistake {
            Some(Mistake::JoinsNothing) => Ok(()),
            Some(Mistake::JoinsOnce) if again => Err(Wrong(NetErrorKind::AddressInUse)),
            _ => Ok(self.inner.join(group)?),
        }
    }

    fn local(&self) -> SocketAddr {
        let mut local = self.inner.local();
        if self.mistake == Some(Mistake::LocalPortIsZero) {
            local.set_port(0);
        }
        local
    }
}

#[test]
fn datagrams() {
    all_are_found(MISTAKES, |runtime, mistake| {
        let rig = Rig::new(runtime, Wrongs { udp: mistake, ..Wrongs::default() });
        runtime.run(udp::suite(runtime, &rig))
    });
}
