#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod address;
mod arp;
mod autoip;
mod config;
mod dhcp;
mod dns;
mod driver;
mod engine;
mod error;
mod flow;
mod group;
mod handle;
mod hash;
mod icmp;
mod ndisc;
mod neighbour;
mod outbox;
mod packet;
mod race;
mod slaac;
mod stack;
mod stats;
mod tcp;
mod udp;
mod world;

pub use config::{Checksums, Config, Ipv4, Ipv6, Limits, TcpConfig};
pub use error::Error;
pub use flow::{Flow, Listener, Reader, Writer};
pub use packet::Dropped;
pub use stack::Tcpip;
pub use stats::{
    DnsStats, FrameStats, IcmpStats, IpStats, Neighbour, NeighbourStats, Socket, Stats, TcpStats, UdpStats,
};
pub use udp::UdpSocket;
