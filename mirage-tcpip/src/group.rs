//! Multicast groups: who is in which, and telling switches and routers of it (RFC 2236 IGMPv2, RFC 3810 MLDv2).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smoltcp::wire::checksum;

use crate::engine::Engine;
use crate::icmp::checksum_v6;
use crate::ndisc::link_local;
use crate::packet::{Dropped, HOP_BY_HOP, ICMPV6, IGMP, Packet, group_mac};

/// Groups that the stack can be in.
pub(crate) const GROUPS_MAX: usize = 64;

const IGMP_QUERY: u8 = 0x11;
const IGMP_REPORT: u8 = 0x16;
const IGMP_LEAVE: u8 = 0x17;
pub(crate) const MLD_QUERY: u8 = 130;
const MLD_REPORT: u8 = 143;
/// To receive from all but those listed, who are none; and from those listed only.
const TO_EXCLUDE: u8 = 4;
const TO_INCLUDE: u8 = 3;

const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
const MLD_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// An option for routers to look at the packet, and what fills up to eight bytes (RFC 2711).
const ROUTER_ALERT: [u8; 8] = [ICMPV6, 0, 5, 2, 0, 0, 1, 0];

/// The groups that sockets have joined, and how many of them.
#[derive(Default)]
pub(crate) struct Groups(Vec<(IpAddr, usize)>);

impl Groups {
    pub fn has(&self, group: IpAddr) -> bool {
        group == IpAddr::V4(ALL_SYSTEMS) || self.0.iter().any(|(known, _)| *known == group)
    }
}

impl Engine {
    /// One more socket is in the group. Whether there was room for it.
    pub fn join_group(&mut self, group: IpAddr) -> bool {
        if let Some((_, count)) = self.groups.0.iter_mut().find(|(known, _)| *known == group) {
            *count += 1;
            return true;
        }
        if self.groups.0.len() >= GROUPS_MAX {
            return false;
        }
        self.groups.0.push((group, 1));
        self.report(group, true);
        true
    }

    /// One socket less is in the group.
    pub fn leave_group(&mut self, group: IpAddr) {
        let Some(at) = self.groups.0.iter().position(|(known, _)| *known == group) else { return };
        self.groups.0[at].1 -= 1;
        if self.groups.0[at].1 == 0 {
            self.groups.0.swap_remove(at);
            self.report(group, false);
        }
    }

    pub fn igmp_ingress(&mut self, packet: &Packet<'_>) -> Result<(), Dropped> {
        let Some(&[kind, _, _, _, a, b, c, d]) = packet.payload.first_chunk::<8>() else {
            return Err(Dropped::Malformed);
        };
        if checksum::data(packet.payload) != !0 {
            return Err(Dropped::Checksum);
        }
        if kind == IGMP_QUERY {
            self.asked_for(Ipv4Addr::new(a, b, c, d).into());
        }
        Ok(())
    }

    pub fn mld_ingress(&mut self, packet: &Packet<'_>) -> Result<(), Dropped> {
        let group = packet.payload.get(8..24).and_then(|bytes| bytes.first_chunk::<16>()).ok_or(Dropped::Malformed)?;
        self.asked_for(Ipv6Addr::from(*group).into());
        Ok(())
    }

    /// Tells of the group, or of all if it is unspecified. At once: in the small networks here, nobody is drowned by that.
    fn asked_for(&mut self, group: IpAddr) {
        for at in 0..self.groups.0.len() {
            let ours = self.groups.0[at].0;
            if ours == group || group.is_unspecified() && ours.is_ipv4() == group.is_ipv4() {
                self.report(ours, true);
            }
        }
    }

    fn report(&mut self, group: IpAddr, member: bool) {
        match group {
            IpAddr::V4(group) => {
                let to = if member { group } else { ALL_ROUTERS };
                let Some(route) = self.addresses.route(to.into(), self.now) else { return };
                let mac = group_mac(to.into());
                self.answer(mac, (route.source, to.into()), (IGMP, 1), 8, &mut |message| {
                    message[0] = if member { IGMP_REPORT } else { IGMP_LEAVE };
                    message[4..8].copy_from_slice(&group.octets());
                    let sum = !checksum::data(message);
                    message[2..4].copy_from_slice(&sum.to_be_bytes());
                });
            }
            IpAddr::V6(group) => {
                let source = link_local(self.out.mac()).address;
                let to = IpAddr::V6(MLD_ROUTERS);
                self.answer(group_mac(to), (source, to), (HOP_BY_HOP, 1), ROUTER_ALERT.len() + 28, &mut |packet| {
                    let (alert, message) = packet.split_at_mut(ROUTER_ALERT.len());
                    alert.copy_from_slice(&ROUTER_ALERT);
                    message[0] = MLD_REPORT;
                    message[7] = 1;
                    message[8] = if member { TO_EXCLUDE } else { TO_INCLUDE };
                    message[12..28].copy_from_slice(&group.octets());
                    checksum_v6(message, source, to);
                });
            }
        }
        self.kick();
    }
}
