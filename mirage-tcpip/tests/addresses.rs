//! Where addresses come from: DHCP, routers, nobody; and what happens when two stations have the same.
#![allow(clippy::unwrap_used)]

mod common;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use common::raw;
use common::{Hub, SECOND, Station, address, at, pair, pattern, run, stack, stack_with, transfer, within};
use mirage_conformance::fakes::FakeRuntime;
use mirage_sig::{Args, Link, MonotonicClock, Sleep, Spawn, Stack, UdpSocket as _};
use mirage_tcpip::{Config, Dropped, Ipv4, Ipv6, Tcpip};

const SERVER: u8 = 50;
const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, SERVER];

/// A DHCP server: what it gives, and what it has seen.
#[derive(Clone)]
struct Server {
    station: Station,
    alive: Rc<Cell<bool>>,
    /// The address that it gives to station 5, the following ones to others; and for how many seconds.
    gives: Rc<Cell<(u8, u32)>>,
    /// The kinds of the messages that it had, and whether they were sent to it alone.
    seen: Rc<RefCell<Vec<(u8, bool)>>>,
    refuses: Rc<Cell<bool>>,
}

impl Server {
    fn start(runtime: &FakeRuntime, hub: &Hub, seconds: u32) -> Self {
        let server = Self {
            station: hub.station(SERVER),
            alive: Rc::new(Cell::new(true)),
            gives: Rc::new(Cell::new((77, seconds))),
            seen: Rc::default(),
            refuses: Rc::default(),
        };
        let running = server.clone();
        runtime.spawn_boxed(Box::pin(async move {
            loop {
                let frame = running.station.receive().await;
                if running.alive.get() {
                    running.answer(&frame);
                }
            }
        }));
        server
    }

    fn answer(&self, frame: &[u8]) {
        if frame[12..14] == [8, 6] && frame[38..42] == address(SERVER).octets() {
            let mac: [u8; 6] = frame[22..28].try_into().unwrap();
            let asker = Ipv4Addr::new(frame[28], frame[29], frame[30], frame[31]);
            let packet = raw::arp(2, SERVER_MAC, address(SERVER), mac, asker);
            self.station.send(&raw::ethernet(mac, SERVER_MAC, 0x0806, &packet));
        }
        if frame.len() < 300 || frame[23] != 17 || frame[36..38] != 67_u16.to_be_bytes() {
            return;
        }
        let message = &frame[42..];
        let mut options = &message[240..];
        let mut kind = 0;
        while let [option, length, rest @ ..] = options {
            if *option == 255 || *option == 0 {
                break;
            }
            if *option == 53 {
                kind = rest[0];
            }
            options = &rest[usize::from(*length)..];
        }
        self.seen.borrow_mut().push((kind, frame[..6] == SERVER_MAC));
        let answer = match kind {
            1 => 2,
            3 if self.refuses.get() => 6,
            3 => 5,
            _ => return,
        };
        let (number, seconds) = self.gives.get();
        let mut reply = vec![0; 240];
        reply[0] = 2;
        reply[1..8].copy_from_slice(&message[1..8]);
        reply[16..20].copy_from_slice(&address(number + message[33] - 5).octets());
        reply[28..34].copy_from_slice(&message[28..34]);
        reply[236..240].copy_from_slice(&message[236..240]);
        reply.extend([53, 1, answer, 1, 4, 255, 255, 255, 0, 54, 4]);
        reply.extend(address(SERVER).octets());
        reply.extend([3, 4]);
        reply.extend(address(1).octets());
        reply.extend([6, 8]);
        reply.extend(address(3).octets());
        reply.extend(address(4).octets());
        reply.extend([51, 4]);
        reply.extend(seconds.to_be_bytes());
        reply.push(255);
        let packet = raw::udp((address(SERVER), 67), (Ipv4Addr::BROADCAST, 68), &reply);
        self.station.send(&raw::ethernet([0xff; 6], SERVER_MAC, 0x0800, &packet));
    }

    fn kinds(&self) -> Vec<u8> {
        self.seen.borrow().iter().map(|(kind, _)| *kind).collect()
    }
}

fn with_dhcp(runtime: &FakeRuntime, hub: &Hub, number: u8) -> Tcpip {
    let config = Config { ipv6: Ipv6::Off, hostname: "web".into(), ..Config::default() };
    Tcpip::new(hub.station(number), runtime, config).unwrap()
}

fn has(stack: &Tcpip, address: impl Into<IpAddr>) -> bool {
    let address = address.into();
    stack.addresses().iter().any(|cidr| cidr.address == address)
}

#[test]
fn a_lease_is_taken_renewed_and_lost() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let server = Server::start(&runtime, &hub, 1_000);
        let stack = with_dhcp(&runtime, &hub, 5);
        within(&runtime, 2 * SECOND, stack.configured()).await.unwrap();
        assert_eq!(stack.addresses()[0].to_string(), "10.0.0.77/24");
        assert_eq!(stack.routers(), [IpAddr::from(address(1))]);
        assert_eq!(stack.name_servers(), [3, 4].map(|number| IpAddr::from(address(number))));
        assert_eq!(server.kinds(), [1, 3]);

        // Half of its time is over: renewed with the server that gave it, and with nobody else.
        runtime.sleep(520 * SECOND).await;
        assert_eq!(server.seen.borrow()[2..], [(3, true)]);
        runtime.sleep(5_000 * SECOND).await;
        assert!(has(&stack, address(77)));
        let renewals = server.kinds().len() - 2;
        assert!((10..13).contains(&renewals), "{renewals} renewals");

        // The server is gone: the address stays until its time is over, and everybody is asked before.
        server.alive.set(false);
        runtime.sleep(400 * SECOND).await;
        assert!(has(&stack, address(77)));
        runtime.sleep(700 * SECOND).await;
        assert!(!has(&stack, address(77)) && stack.routers().is_empty());

        // It comes back, and gives another address.
        server.gives.set((78, 1_000));
        server.alive.set(true);
        runtime.sleep(100 * SECOND).await;
        assert_eq!(stack.addresses().len(), 1, "{:?}", stack.addresses());
        assert!(has(&stack, address(78)));
    });
}

#[test]
fn what_the_server_takes_back_is_given_up() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let server = Server::start(&runtime, &hub, 1_000);
        let stack = with_dhcp(&runtime, &hub, 5);
        stack.configured().await.unwrap();
        server.refuses.set(true);
        runtime.sleep(510 * SECOND).await;
        assert!(!has(&stack, address(77)));
        server.refuses.set(false);
        runtime.sleep(200 * SECOND).await;
        assert!(has(&stack, address(77)));
    });
}

#[test]
fn an_endless_lease_schedules_nothing() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let server = Server::start(&runtime, &hub, u32::MAX);
        let stack = with_dhcp(&runtime, &hub, 5);
        stack.configured().await.unwrap();
        runtime.sleep(10 * SECOND).await;
        assert_eq!(runtime.timers(), 0);
        assert_eq!(server.kinds(), [1, 3]);
    });
}

#[test]
fn replugged_the_lease_is_asked_for_again() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let server = Server::start(&runtime, &hub, 10_000);
        let station = hub.station(5);
        let config = Config { ipv6: Ipv6::Off, ..Config::default() };
        let stack = Tcpip::new(station.clone(), &runtime, config).unwrap();
        stack.configured().await.unwrap();
        server.gives.set((90, 10_000));
        station.plug(Link::Down);
        runtime.sleep(SECOND).await;
        station.plug(Link::Up);
        runtime.sleep(SECOND).await;
        assert_eq!(server.kinds(), [1, 3, 3]);
        assert!(has(&stack, address(90)) && !has(&stack, address(77)));
    });
}

#[test]
fn messages_that_nobody_asked_for_change_nothing() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let server = Server::start(&runtime, &hub, 10_000);
        let stack = with_dhcp(&runtime, &hub, 5);
        stack.configured().await.unwrap();
        server.gives.set((90, 10));
        // As an answer to a question of another client, or to none.
        let mut message = vec![0; 300];
        message[0] = 1;
        message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 5]);
        message[236..240].copy_from_slice(&[99, 130, 83, 99]);
        message[240..243].copy_from_slice(&[53, 1, 3]);
        message[243] = 255;
        let packet = raw::udp((address(6), 68), (address(SERVER), 67), &message);
        for _ in 0..50 {
            server.answer(&raw::ethernet(SERVER_MAC, [2, 0, 0, 0, 0, 6], 0x0800, &packet));
        }
        runtime.sleep(SECOND).await;
        assert!(has(&stack, address(77)));
        assert!(stack.stats().dropped(Dropped::Unasked) + stack.stats().dropped(Dropped::Full) >= 50);
    });
}

#[test]
fn without_a_server_two_find_each_other() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let (left, right) = (with_dhcp(&runtime, &hub, 5), with_dhcp(&runtime, &hub, 6));
        let begun = runtime.now();
        left.configured().await.unwrap();
        right.configured().await.unwrap();
        let took = runtime.now() - begun;
        assert!(took >= Config::DHCP_PATIENCE && took < 2 * Config::DHCP_PATIENCE, "{took:?}");
        let [ours, theirs] = [&left, &right].map(|stack| stack.addresses()[0]);
        assert!(ours.to_string().starts_with("169.254.") && ours.prefix == 16 && ours != theirs);
        within(&runtime, SECOND, left.ping(theirs.address, 8)).await.unwrap();
        // When a server comes, the addresses are its own.
        let _server = Server::start(&runtime, &hub, 1_000);
        runtime.sleep(100 * SECOND).await;
        assert_eq!(left.addresses()[0].to_string(), "10.0.0.77/24");
        assert_eq!(left.addresses().len(), 1);
    });
}

#[test]
fn an_address_that_is_made_up_is_one_that_nobody_has() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let station = hub.station(9);
        let mac = [2, 0, 0, 0, 0, 9];
        // Says of the first three addresses that are tried that they are its own.
        let tried = Rc::new(RefCell::new(Vec::<Ipv4Addr>::new()));
        let noted = tried.clone();
        let greedy = station.clone();
        runtime.spawn_boxed(Box::pin(async move {
            loop {
                let frame = greedy.receive().await;
                if frame[12..14] == [8, 6] && frame[28..32] == [0; 4] {
                    let target = Ipv4Addr::new(frame[38], frame[39], frame[40], frame[41]);
                    if !noted.borrow().contains(&target) {
                        noted.borrow_mut().push(target);
                    }
                    if noted.borrow().len() <= 3 {
                        let packet = raw::arp(2, mac, target, [0; 6], Ipv4Addr::UNSPECIFIED);
                        greedy.send(&raw::ethernet([0xff; 6], mac, 0x0806, &packet));
                    }
                }
            }
        }));
        let stack = with_dhcp(&runtime, &hub, 5);
        within(&runtime, 60 * SECOND, stack.configured()).await.unwrap();
        let ours = stack.addresses()[0].address;
        assert_eq!(tried.borrow().len(), 4);
        assert_eq!(ours, IpAddr::from(tried.borrow()[3]));

        // Somebody takes it later: it is defended once, and then given up.
        let IpAddr::V4(ours) = ours else { panic!() };
        let claim = raw::ethernet([0xff; 6], mac, 0x0806, &raw::arp(1, mac, ours, [0; 6], ours));
        runtime.sleep(60 * SECOND).await;
        station.send(&claim);
        runtime.sleep(SECOND).await;
        assert!(has(&stack, ours));
        station.send(&claim);
        runtime.sleep(30 * SECOND).await;
        assert!(!has(&stack, ours) && stack.addresses().len() == 1, "{:?}", stack.addresses());
    });
}

#[test]
fn an_address_that_was_given_is_defended_and_kept() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let stack = stack(&runtime, &hub, 5);
        let station = hub.station(9);
        let mac = [2, 0, 0, 0, 0, 9];
        let claim = raw::ethernet([0xff; 6], mac, 0x0806, &raw::arp(1, mac, address(5), [0; 6], address(5)));
        for _ in 0..20 {
            station.send(&claim);
            runtime.sleep(SECOND).await;
        }
        assert!(has(&stack, address(5)));
        assert_eq!(stack.stats().neighbours.conflicts, 20);
        // Once in ten seconds, and when it began.
        let mut announced = 0;
        while let Some(frame) = mirage_sig::Network::try_receive(&station, |frame| frame.to_vec()) {
            announced += u32::from(frame[12..14] == [8, 6] && frame[28..32] == frame[38..42]);
        }
        assert!((2..=3).contains(&announced), "{announced} announcements");
    });
}

fn advertisement(lifetime: u16, prefixes: &[(&str, u32)]) -> Vec<u8> {
    let (router, all) = ("fe80::1".parse::<Ipv6Addr>().unwrap(), "ff02::1".parse::<Ipv6Addr>().unwrap());
    let mut message = vec![134, 0, 0, 0, 64, 0];
    message.extend(lifetime.to_be_bytes());
    message.extend([0; 8]);
    message.extend([1, 1, 2, 0, 0, 0, 0, 1]);
    for (prefix, valid) in prefixes {
        message.extend([3, 4, 64, 0xc0]);
        message.extend(valid.to_be_bytes());
        message.extend(valid.to_be_bytes());
        message.extend([0; 4]);
        message.extend(prefix.parse::<Ipv6Addr>().unwrap().octets());
    }
    message.extend([25, 3, 0, 0]);
    message.extend(u32::from(lifetime).to_be_bytes());
    message.extend("fd00::53".parse::<Ipv6Addr>().unwrap().octets());
    raw::checksum(router.into(), all.into(), 58, &mut message, 2);
    let packet = raw::ipv6(router, all, 58, 255, &message);
    raw::ethernet([0x33, 0x33, 0, 0, 0, 1], [2, 0, 0, 0, 0, 1], 0x86dd, &packet)
}

#[test]
fn addresses_come_from_routers_and_go_with_their_time() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let router = hub.station(1);
        let asked = Rc::new(Cell::new(0));
        let (answering, count) = (router.clone(), asked.clone());
        runtime.spawn_boxed(Box::pin(async move {
            loop {
                let frame = answering.receive().await;
                if frame.len() > 54 && frame[12..14] == [0x86, 0xdd] && frame[54] == 133 {
                    count.set(count.get() + 1);
                    answering.send(&advertisement(1_800, &[("fd01::", 10_000), ("fd02::", 20_000)]));
                }
            }
        }));
        let config = Config { ipv4: Ipv4::Off, ..Config::default() };
        let stack = Tcpip::new(hub.station(5), &runtime, config).unwrap();
        within(&runtime, SECOND, stack.configured()).await.unwrap();
        let listed: Vec<_> = stack.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(listed, ["fd01::ff:fe00:5/64", "fd02::ff:fe00:5/64", "fe80::ff:fe00:5/64"]);
        assert_eq!(stack.routers(), ["fe80::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(stack.name_servers(), ["fd00::53".parse::<IpAddr>().unwrap()]);
        runtime.sleep(60 * SECOND).await;
        assert_eq!(asked.get(), 1, "asked once, as it was answered");

        // It is the router no more, and cuts the time of a prefix, which is not believed below two hours.
        router.send(&advertisement(0, &[("fd01::", 1)]));
        runtime.sleep(SECOND).await;
        assert!(stack.routers().is_empty() && stack.name_servers().is_empty());
        assert_eq!(stack.addresses().len(), 3);
        runtime.sleep(7_300 * SECOND).await;
        assert_eq!(stack.addresses().len(), 2);
        runtime.sleep(20_000 * SECOND).await;
        assert_eq!(stack.addresses().len(), 1);
        // One from afar is not believed.
        let mut forged = advertisement(1_800, &[("fd03::", 10_000)]);
        forged[21] = 254;
        router.send(&forged);
        runtime.sleep(SECOND).await;
        assert_eq!((stack.addresses().len(), stack.stats().dropped(Dropped::Spoofed)), (1, 1));
    });
}

#[test]
fn without_a_router_there_is_the_address_for_the_link() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let config = Config { ipv4: Ipv4::Off, ..Config::default() };
        let (left, right) = (
            Tcpip::new(hub.station(5), &runtime, config.clone()).unwrap(),
            Tcpip::new(hub.station(6), &runtime, config).unwrap(),
        );
        within(&runtime, 20 * SECOND, left.configured()).await.unwrap();
        let theirs = right.addresses()[0].address;
        assert_eq!(theirs.to_string(), "fe80::ff:fe00:6");
        left.ping(theirs, 100).await.unwrap();
        let mut listener = right.listen(80, 1).unwrap();
        let both = mirage_conformance::poll::join(
            left.connect(SocketAddr::new(theirs, 80)),
            mirage_sig::Listener::accept(&mut listener),
        );
        let (ours, theirs) = both.await;
        transfer(&mut ours.unwrap(), &mut theirs.unwrap(), &pattern(50_000)).await;
        runtime.sleep(10 * SECOND).await;
        assert_eq!(runtime.timers(), 0, "nothing is scheduled");
    });
}

#[test]
fn broadcasts_and_groups_reach_all() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let stacks: Vec<_> = (1..5).map(|number| stack(&runtime, &hub, number)).collect();
        let sockets: Vec<_> = stacks.iter().map(|stack| stack.bind(99).unwrap()).collect();
        for to in [Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 0, 0, 255)] {
            sockets[0].send_to(b"all", SocketAddr::new(to.into(), 99)).await.unwrap();
            for socket in &sockets[1..] {
                let (length, from) = within(&runtime, SECOND, socket.receive_from(&mut [0; 9])).await.unwrap();
                assert_eq!((length, from), (3, at(1, 99)));
            }
        }
        // Nobody answers what went to all, not even that there is no such port.
        let unreachable = stacks[0].stats().icmp.unreachable;
        sockets[0].send_to(b"all", SocketAddr::new(Ipv4Addr::BROADCAST.into(), 98)).await.unwrap();
        runtime.sleep(SECOND).await;
        assert_eq!(stacks[0].stats().icmp.unreachable, unreachable);
        sockets[0].send_to(b"one", at(2, 98)).await.unwrap();
        runtime.sleep(SECOND).await;
        assert_eq!(stacks[0].stats().icmp.unreachable, unreachable + 1);
    });
}

#[test]
fn joining_and_leaving_a_group_is_reported() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let reports = Rc::new(RefCell::new(Vec::new()));
        let noted = reports.clone();
        hub.tap(move |frame| {
            if frame[12..14] == [8, 0] && frame[23] == 2 {
                noted.borrow_mut().push((frame[34], frame[38..42].to_vec()));
            }
        });
        let stack = stack(&runtime, &hub, 1);
        let (one, two) = (stack.bind(0).unwrap(), stack.bind(0).unwrap());
        let group = Ipv4Addr::new(239, 1, 2, 3);
        for socket in [&one, &one, &two] {
            socket.join(group.into()).unwrap();
        }
        drop(one);
        runtime.sleep(SECOND).await;
        assert_eq!(*reports.borrow(), [(0x16, group.octets().to_vec())], "once, while anybody is in it");
        // A router asks.
        let mut query = vec![0x11, 10, 0, 0, 0, 0, 0, 0];
        query[2..4].copy_from_slice(&[0xee, 0xf5]);
        let packet = raw::ipv4(address(9), Ipv4Addr::new(224, 0, 0, 1), 2, &query);
        hub.station(9).send(&raw::ethernet([1, 0, 0x5e, 0, 0, 1], [2, 0, 0, 0, 0, 9], 0x0800, &packet));
        runtime.sleep(SECOND).await;
        assert_eq!(reports.borrow().iter().filter(|(kind, _)| *kind == 0x16).count(), 2);
        drop(two);
        runtime.sleep(SECOND).await;
        assert_eq!(reports.borrow().last(), Some(&(0x17, group.octets().to_vec())));
    });
}

#[test]
fn neighbours_are_known_bounded_and_asked_for_again() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let left = stack_with(&runtime, &hub, 1, |config| config.limits.neighbours = 8);
        let right = stack(&runtime, &hub, 2);
        drop(pair(&left, &right, 2).await);
        assert!(left.neighbours().iter().any(|known| known.address == IpAddr::from(address(2)) && known.fresh));
        // Stations that ask for us, more than we want to know. Those whom we talk to stay.
        let station = hub.station(9);
        for number in 100..200 {
            let mac = [2, 0, 0, 0, 1, number];
            let packet = raw::arp(1, mac, address(number), [0; 6], address(1));
            station.send(&raw::ethernet([0xff; 6], mac, 0x0806, &packet));
        }
        runtime.sleep(SECOND).await;
        assert_eq!(left.neighbours().len(), 8);
        let asked = left.stats().neighbours.asked;
        left.ping(address(2).into(), 1).await.unwrap();
        assert_eq!(left.stats().neighbours.asked, asked);
        // A minute later it is asked for beside.
        runtime.sleep(100 * SECOND).await;
        left.ping(address(2).into(), 1).await.unwrap();
        runtime.sleep(SECOND).await;
        left.ping(address(2).into(), 1).await.unwrap();
        assert_eq!(left.stats().neighbours.asked, asked + 1);
    });
}

#[test]
fn arguments_say_which_addresses() {
    let config = |given: &[(&str, &str)]| {
        let given = given.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Config::from_args(&Args::check(given, &[]).unwrap())
    };
    let default = config(&[]).unwrap();
    assert_eq!(default.ipv4, Ipv4::Dhcp { patience: Config::DHCP_PATIENCE });
    assert_eq!(default.ipv6, Ipv6::Slaac);
    let given = config(&[
        ("name", "web"),
        ("ipv4", "10.0.0.2/24"),
        ("ipv4-gateway", "10.0.0.1"),
        ("ipv6", "fd00::2/64"),
        ("dns", "10.0.0.53"),
    ])
    .unwrap();
    let (address, gateway) = (Ipv4Addr::new(10, 0, 0, 2), Some(Ipv4Addr::new(10, 0, 0, 1)));
    assert_eq!(given.ipv4, Ipv4::Static { address, prefix: 24, gateway });
    assert!(matches!(given.ipv6, Ipv6::Static { prefix: 64, gateway: None, .. }));
    assert_eq!((given.hostname.as_str(), given.dns.len()), ("web", 1));
    for wrong in [("ipv4", "fd00::2/64"), ("ipv6", "10.0.0.2/24"), ("ipv4-gateway", "fd00::1")] {
        assert!(config(&[wrong]).unwrap_err().to_string().contains("expected an"), "{wrong:?}");
    }
    let lonely = config(&[("ipv4-gateway", "10.0.0.1")]).unwrap_err().to_string();
    assert!(lonely.contains("ipv4 beside it"), "{lonely}");
}

#[test]
fn what_cannot_be_configured_is_said_in_words() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let small = Tcpip::new(hub.station(1).with_mtu(600), &runtime, Config::default()).err().unwrap();
        assert!(small.to_string().contains("1280"), "{small}");
        for number in [0, 255] {
            let config = Config::fixed(Ipv4Addr::from([number; 4]), 24);
            assert!(Tcpip::new(hub.station(1), &runtime, config).is_err());
        }
        let stack = Tcpip::new(hub.station(1).with_mtu(600), &runtime, Config::fixed(address(1), 24)).unwrap();
        let other = common::stack(&runtime, &hub, 2);
        let (mut ours, mut theirs) = pair(&stack, &other, 2).await;
        transfer(&mut theirs, &mut ours, &pattern(30_000)).await;
        let error = stack.ping(Ipv4Addr::new(8, 8, 8, 8).into(), 1).await.unwrap_err();
        assert!(error.to_string().contains("no router is known") && error.to_string().ends_with("8.8.8.8"), "{error}");
        runtime.sleep(Duration::ZERO).await;
    });
}
