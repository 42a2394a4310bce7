//! The device that is not there.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::{
    Block, BlockError, BlockErrorKind, BlockInfo, Cidr, ErrorType, Flow, HttpClient, HttpError, HttpErrorKind,
    HttpRequest, HttpResponse, Link, Listener, Mac, NetError, NetErrorKind, Network, NetworkStats, Read, SendError,
    Stack, UdpSocket, Write, io,
};

/// The type of a device that a platform does not have. There is no value of it, so that what is written for the device
/// compiles, costs nothing and can never run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {}

impl fmt::Display for Absent {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl core::error::Error for Absent {}

impl io::Error for Absent {
    fn kind(&self) -> io::ErrorKind {
        match *self {}
    }
}

impl NetError for Absent {
    fn kind(&self) -> NetErrorKind {
        match *self {}
    }
}

impl BlockError for Absent {
    fn kind(&self) -> BlockErrorKind {
        match *self {}
    }
}

impl HttpError for Absent {
    fn http_kind(&self) -> HttpErrorKind {
        match *self {}
    }
}

impl ErrorType for Absent {
    type Error = Self;
}

impl Read for Absent {
    async fn read(&mut self, _: &mut [u8]) -> Result<usize, Self> {
        match *self {}
    }
}

impl Write for Absent {
    async fn write(&mut self, _: &[u8]) -> Result<usize, Self> {
        match *self {}
    }

    async fn flush(&mut self) -> Result<(), Self> {
        match *self {}
    }
}

impl Network for Absent {
    fn mac(&self) -> Mac {
        match *self {}
    }

    fn mtu(&self) -> usize {
        match *self {}
    }

    fn link(&self) -> Link {
        match *self {}
    }

    fn try_send<R>(&self, _: usize, _: impl FnOnce(&mut [u8]) -> R) -> Result<R, SendError> {
        match *self {}
    }

    fn try_receive<R>(&self, _: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        match *self {}
    }

    async fn readable(&self) {
        match *self {}
    }

    async fn writable(&self) {
        match *self {}
    }

    async fn link_change(&self, _: Link) -> Link {
        match *self {}
    }

    fn stats(&self) -> NetworkStats {
        match *self {}
    }
}

impl Flow for Absent {
    type Reader<'a> = Self;
    type Writer<'a> = Self;

    fn split(&mut self) -> (Self, Self) {
        match *self {}
    }

    async fn shutdown(&mut self) -> Result<(), Self> {
        match *self {}
    }

    fn peer(&self) -> SocketAddr {
        match *self {}
    }

    fn local(&self) -> SocketAddr {
        match *self {}
    }
}

impl Listener for Absent {
    type Flow = Self;
    type Error = Self;

    async fn accept(&mut self) -> Result<Self, Self> {
        match *self {}
    }

    fn local(&self) -> SocketAddr {
        match *self {}
    }
}

impl UdpSocket for Absent {
    type Error = Self;

    async fn send_to(&self, _: &[u8], _: SocketAddr) -> Result<(), Self> {
        match *self {}
    }

    async fn receive_from(&self, _: &mut [u8]) -> Result<(usize, SocketAddr), Self> {
        match *self {}
    }

    fn join(&self, _: IpAddr) -> Result<(), Self> {
        match *self {}
    }

    fn local(&self) -> SocketAddr {
        match *self {}
    }
}

impl Stack for Absent {
    type Flow = Self;
    type Listener = Self;
    type Udp = Self;
    type Error = Self;

    async fn configured(&self) -> Result<(), Self> {
        match *self {}
    }

    fn addresses(&self) -> Vec<Cidr> {
        match *self {}
    }

    async fn connect(&self, _: SocketAddr) -> Result<Self, Self> {
        match *self {}
    }

    fn listen(&self, _: u16, _: usize) -> Result<Self, Self> {
        match *self {}
    }

    fn bind(&self, _: u16) -> Result<Self, Self> {
        match *self {}
    }

    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, Self> {
        match *self {}
    }

    async fn ping(&self, _: IpAddr, _: usize) -> Result<Duration, Self> {
        match *self {}
    }
}

impl Block for Absent {
    type Error = Self;

    fn info(&self) -> BlockInfo {
        match *self {}
    }

    async fn read(&self, _: u64, _: &mut [u8]) -> Result<(), Self> {
        match *self {}
    }

    async fn write(&self, _: u64, _: &[u8]) -> Result<(), Self> {
        match *self {}
    }

    async fn flush(&self) -> Result<(), Self> {
        match *self {}
    }
}

impl HttpClient for Absent {
    type Error = Self;
    type Body = Self;

    async fn request(&self, _: HttpRequest<'_>) -> Result<HttpResponse<Self>, Self> {
        match *self {}
    }
}
