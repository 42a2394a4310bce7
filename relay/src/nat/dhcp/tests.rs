use proptest::prelude::*;
use smoltcp::wire::EthernetAddress;

use super::*;

fn message(kind: DhcpMessageType, client: u8) -> DhcpRepr<'static> {
    DhcpRepr {
        message_type: kind,
        transaction_id: 7,
        secs: 0,
        client_hardware_address: EthernetAddress([2, 0, 0, 0, 0, client]),
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: Ipv4Addr::UNSPECIFIED,
        server_ip: Ipv4Addr::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: false,
        requested_ip: None,
        client_identifier: None,
        server_identifier: None,
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    }
}

fn request(client: u8, wish: Ipv4Addr) -> DhcpRepr<'static> {
    DhcpRepr { requested_ip: Some(wish), server_identifier: Some(GATEWAY), ..message(DhcpMessageType::Request, client) }
}

/// Discover, offer, request, acknowledgement: the address.
fn lease(dhcp: &mut Dhcp, client: u8, now: Instant) -> Option<Ipv4Addr> {
    let offer = dhcp.answer(&message(DhcpMessageType::Discover, client), now)?;
    assert_eq!((offer.message_type, offer.transaction_id), (DhcpMessageType::Offer, 7));
    let ack = dhcp.answer(&request(client, offer.your_ip), now)?;
    assert_eq!((ack.message_type, ack.your_ip), (DhcpMessageType::Ack, offer.your_ip));
    Some(ack.your_ip)
}

#[test]
fn addresses_begin_at_15_and_come_with_the_rest() {
    let (mut dhcp, now) = (Dhcp::default(), Instant::now());
    assert_eq!(lease(&mut dhcp, 1, now), Some(Ipv4Addr::new(10, 0, 2, 15)));
    assert_eq!(lease(&mut dhcp, 2, now), Some(Ipv4Addr::new(10, 0, 2, 16)));
    let offer = dhcp.answer(&message(DhcpMessageType::Discover, 3), now).unwrap();
    assert_eq!((offer.router, offer.subnet_mask), (Some(GATEWAY), Some(Ipv4Addr::new(255, 255, 255, 0))));
    assert_eq!((offer.dns_servers.as_deref(), offer.lease_duration), (Some(&[DNS][..]), Some(3600)));
    assert_eq!(offer.server_identifier, Some(GATEWAY));
}

#[test]
fn a_client_gets_the_same_address_again_even_after_its_lease() {
    let (mut dhcp, now) = (Dhcp::default(), Instant::now());
    let (one, two) = (lease(&mut dhcp, 1, now), lease(&mut dhcp, 2, now));
    assert_eq!(lease(&mut dhcp, 2, now + LEASE * 3), two);
    assert_eq!(lease(&mut dhcp, 1, now + LEASE * 3), one);
}

#[test]
fn what_another_has_is_refused_and_what_is_free_is_given() {
    let (mut dhcp, now) = (Dhcp::default(), Instant::now());
    let taken = lease(&mut dhcp, 1, now).unwrap();
    let answer = |dhcp: &mut Dhcp, request: DhcpRepr<'static>, now| dhcp.answer(&request, now).unwrap().message_type;
    assert_eq!(answer(&mut dhcp, request(2, taken), now), DhcpMessageType::Nak);
    assert_eq!(answer(&mut dhcp, request(2, Ipv4Addr::new(192, 168, 0, 1)), now), DhcpMessageType::Nak);
    assert_eq!(answer(&mut dhcp, request(2, GATEWAY), now), DhcpMessageType::Nak);
    // After a restart of the relay, a client that remembers its address keeps it (INIT-REBOOT, RENEWING).
    let mine = Ipv4Addr::new(10, 0, 2, 99);
    let reboot = DhcpRepr { requested_ip: Some(mine), ..message(DhcpMessageType::Request, 3) };
    assert_eq!(answer(&mut dhcp, reboot, now), DhcpMessageType::Ack);
    let renew = DhcpRepr { client_ip: mine, ..message(DhcpMessageType::Request, 3) };
    assert_eq!(deliver(&renew, &dhcp.answer(&renew, now).unwrap()), ([2, 0, 0, 0, 0, 3], mine));
    assert_eq!(answer(&mut dhcp, request(2, mine), now), DhcpMessageType::Nak);
    assert_eq!(answer(&mut dhcp, request(2, mine), now + LEASE), DhcpMessageType::Ack, "the lease is over");
}

#[test]
fn who_takes_another_servers_offer_or_releases_holds_nothing() {
    let (mut dhcp, now) = (Dhcp::default(), Instant::now());
    let address = lease(&mut dhcp, 1, now).unwrap();
    let elsewhere = DhcpRepr { server_identifier: Some(Ipv4Addr::new(10, 0, 2, 9)), ..request(1, address) };
    assert_eq!(dhcp.answer(&elsewhere, now), None);
    assert_eq!(dhcp.answer(&request(2, address), now).unwrap().message_type, DhcpMessageType::Ack);
    let release = DhcpRepr { client_ip: address, ..message(DhcpMessageType::Release, 2) };
    assert_eq!(dhcp.answer(&release, now), None);
    assert_eq!(dhcp.answer(&request(3, address), now).unwrap().message_type, DhcpMessageType::Ack);
}

#[test]
fn a_declined_address_is_left_alone_for_a_while() {
    let (mut dhcp, now) = (Dhcp::default(), Instant::now());
    let address = lease(&mut dhcp, 1, now).unwrap();
    assert_eq!(dhcp.answer(&message(DhcpMessageType::Decline, 1), now), None);
    assert_ne!(lease(&mut dhcp, 1, now), Some(address));
    assert_eq!(dhcp.answer(&request(2, address), now).unwrap().message_type, DhcpMessageType::Nak);
    assert_eq!(dhcp.answer(&request(2, address), now + OFFER).unwrap().message_type, DhcpMessageType::Ack);
}

#[test]
fn an_inform_is_told_the_rest_and_no_address() {
    let mut dhcp = Dhcp::default();
    let inform = DhcpRepr { client_ip: Ipv4Addr::new(10, 0, 2, 7), ..message(DhcpMessageType::Inform, 1) };
    let ack = dhcp.answer(&inform, Instant::now()).unwrap();
    assert_eq!(
        (ack.message_type, ack.your_ip, ack.lease_duration),
        (DhcpMessageType::Ack, Ipv4Addr::UNSPECIFIED, None)
    );
    assert_eq!(ack.router, Some(GATEWAY));
}

#[test]
fn the_pool_ends_and_offers_that_nobody_took_come_back() {
    let (mut dhcp, now) = (Dhcp::default(), Instant::now());
    for client in 0..240 {
        assert!(dhcp.answer(&message(DhcpMessageType::Discover, client), now).is_some());
    }
    assert_eq!(dhcp.answer(&message(DhcpMessageType::Discover, 250), now), None);
    assert!(dhcp.answer(&message(DhcpMessageType::Discover, 250), now + OFFER).is_some());
    assert!(dhcp.leases.len() <= 240 && dhcp.holders.len() <= 240);
}

proptest! {
    /// Whatever clients ask, in whatever order: no two hold the same address at the same time, and the tables agree.
    #[test]
    fn no_address_has_two_holders(steps in prop::collection::vec((0..5_u8, 0..8_u8, 10..20_u8, 0..3000_u64), 0..200)) {
        let (mut dhcp, mut now) = (Dhcp::default(), Instant::now());
        let mut held: HashMap<u8, (Ipv4Addr, Instant)> = HashMap::new();
        for (kind, client, wish, seconds) in steps {
            now += Duration::from_secs(seconds);
            held.retain(|_, (_, until)| *until > now);
            let kind = [
                DhcpMessageType::Discover, DhcpMessageType::Request, DhcpMessageType::Release, DhcpMessageType::Decline,
                DhcpMessageType::Inform,
            ][usize::from(kind)];
            let wish = DhcpRepr { requested_ip: Some(Ipv4Addr::new(10, 0, 2, wish)), ..message(kind, client) };
            let answer = dhcp.answer(&wish, now);
            if matches!(kind, DhcpMessageType::Release | DhcpMessageType::Decline) {
                held.remove(&client);
            }
            if let Some(answer) = answer && answer.message_type == DhcpMessageType::Ack && kind == DhcpMessageType::Request {
                held.remove(&client);
                prop_assert!(held.values().all(|(address, _)| *address != answer.your_ip));
                held.insert(client, (answer.your_ip, now + LEASE));
            }
            prop_assert_eq!(dhcp.leases.len(), dhcp.holders.len());
            for (octet, mac) in &dhcp.holders {
                prop_assert_eq!(dhcp.leases[mac].octet, *octet);
            }
        }
    }
}
