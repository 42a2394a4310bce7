//! The gateway, from inside a LAN: what a unikernel in a tab can reach through it, and what it cannot.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod station;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use mirage_relay::{Config, Limits, Nat, Reach, Relay};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::IpAddress;
use station::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

fn with_host() -> Config {
    Config { reach: Reach { host: true, ..Reach::default() }, ..with_nat() }
}

/// A station that has its address.
async fn leased(relay: &Relay, number: u8) -> Station {
    let mut station = Station::plug(relay, "0", number).await;
    station.dhcp().await;
    station
}

fn host(address: SocketAddr) -> SocketAddrV4 {
    SocketAddrV4::new(GATEWAY, address.port())
}

/// A server on loopback that reads to the end, and then answers with all of it, and a word before and after.
async fn parrot() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).await.ok()?;
                stream.write_all(&[b"<", &heard[..], b">"].concat()).await.ok()
            });
        }
    });
    address
}

#[tokio::test]
async fn the_gateway_gives_addresses_and_answers_pings() {
    let relay = start(with_nat()).await;
    let mut a = Station::plug(&relay, "0", 1).await;
    assert_eq!(a.dhcp().await, (FIRST, vec![DNS]));
    let mut b = Station::plug(&relay, "0", 2).await;
    assert_eq!(b.dhcp().await.0, Ipv4Addr::new(10, 0, 2, 16));
    // Another LAN is another network, of the same addresses.
    let mut c = Station::plug(&relay, "1", 3).await;
    assert_eq!(c.dhcp().await.0, FIRST);
    assert!(a.ping(GATEWAY, PATIENCE).await && a.ping(DNS, PATIENCE).await && c.ping(GATEWAY, PATIENCE).await);
    assert!(!a.ping(Ipv4Addr::new(10, 0, 2, 4), Duration::from_millis(300)).await, "there is nobody");
    // A tab that is loaded again has its address again.
    drop(a);
    let mut a = Station::plug(&relay, "0", 1).await;
    assert_eq!(a.dhcp().await.0, FIRST);
}

#[tokio::test]
async fn a_lan_without_a_gateway_has_none() {
    let relay = start(Config { nat: Nat::Only(vec!["with".parse().unwrap()]), ..plain() }).await;
    let mut without = Station::plug(&relay, "without", 1).await;
    assert!(timeout(Duration::from_secs(1), without.dhcp()).await.is_err());
    assert_eq!(Station::plug(&relay, "with", 1).await.dhcp().await.0, FIRST);
}

#[tokio::test]
async fn a_web_server_of_the_host_is_reached_if_that_is_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"GET /hello HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").await.unwrap();
    });
    let relay = start(with_host()).await;
    let mut a = leased(&relay, 1).await;
    let answer = a.talk(host(address), 4000, b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(answer.ends_with(b"\r\n\r\nhello"), "{}", String::from_utf8_lossy(&answer));

    let relay = start(with_nat()).await;
    let mut a = leased(&relay, 1).await;
    assert_eq!(a.talk(host(address), 4000, b"").await, None, "refused");
    assert_eq!(metric(&relay, "mirage_relay_nat_refused_total{reason=\"destination not allowed\"}"), 1);
}

#[tokio::test]
async fn each_half_of_a_connection_is_closed_by_itself_and_all_bytes_arrive() {
    let relay = start(with_host()).await;
    let mut a = leased(&relay, 1).await;
    let server = parrot().await;
    // The server answers only after the client's end of file, so that half closed alone.
    let say: Vec<u8> = (0..3_000_000_u32).map(|n| ((n * 31) >> 7) as u8).collect();
    let heard = a.talk(host(server), 4000, &say).await.unwrap();
    assert!(heard == [b"<", &say[..], b">"].concat(), "{} bytes", heard.len());
    assert_eq!(a.talk(host(server), 4001, b"").await.unwrap(), b"<>");
    // Whose last acknowledgement is still to come.
    tokio::select! {
        () = eventually("the flows are over", || metric(&relay, "mirage_relay_nat_flows{protocol=\"tcp\"}") == 0) => {}
        () = a.run(|_, _| None) => {}
    }
}

#[tokio::test]
async fn who_refuses_or_resets_does_so_through_the_gateway() {
    let relay = start(with_host()).await;
    let mut a = leased(&relay, 1).await;
    // A port that nobody listens on.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(a.talk(host(closed), 4000, b"").await, None);
    for (n, private) in ["192.168.1.1:80", "169.254.169.254:80", "10.0.2.3:80", "127.0.0.1:80"].into_iter().enumerate()
    {
        assert_eq!(a.talk(private.parse().unwrap(), 5000 + n as u16, b"").await, None, "{private}");
    }

    // The server breaks off: so does the connection, and not by an orderly end.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_zero_linger().unwrap();
        drop(stream);
        // The client breaks off: the server sees it.
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.read_u8().await.unwrap_err().kind()
    });
    let handle = a.connect(host(address), 4100);
    a.run(|sockets, _| (sockets.get_mut::<tcp::Socket>(handle).state() == tcp::State::Closed).then_some(())).await;
    let handle = a.connect(host(address), 4101);
    a.run(|sockets, _| {
        let socket = sockets.get_mut::<tcp::Socket>(handle);
        socket.can_send().then(|| socket.send_slice(b"x").unwrap())
    })
    .await;
    a.run(|sockets, _| (sockets.get_mut::<tcp::Socket>(handle).send_queue() == 0).then_some(())).await;
    a.sockets.get_mut::<tcp::Socket>(handle).abort();
    a.run(|_, _| Some(())).await;
    assert_eq!(timeout(PATIENCE, server).await.unwrap().unwrap(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn connections_are_bounded_and_end_with_their_lan() {
    let relay = start(Config { limits: Limits { tcp_flows: 3, ..Limits::default() }, ..with_host() }).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut a = leased(&relay, 1).await;
    let handles: Vec<_> = (0..4).map(|n| a.connect(host(address), 4000 + n)).collect();
    let mut server_ends = Vec::new();
    for _ in 0..3 {
        let accepted = async { server_ends.push(listener.accept().await.unwrap().0) };
        tokio::select! {
            () = accepted => {}
            () = a.run(|_, _| None) => {}
        }
    }
    a.run(|sockets, _| {
        let states: Vec<_> = handles.iter().map(|handle| sockets.get_mut::<tcp::Socket>(*handle).state()).collect();
        let count = |state| states.iter().filter(|other| **other == state).count();
        (count(tcp::State::Established) == 3 && count(tcp::State::Closed) == 1).then_some(())
    })
    .await;
    assert_eq!(metric(&relay, "mirage_relay_nat_refused_total{reason=\"too many flows\"}"), 1);
    drop(a);
    for mut end in server_ends {
        let mut buffer = Vec::new();
        // Ended or reset: gone in any case.
        let _ = timeout(PATIENCE, end.read_to_end(&mut buffer)).await.expect("it ends");
    }
    eventually("no flow is left", || metric(&relay, "mirage_relay_nat_flows{protocol=\"tcp\"}") == 0).await;
}

#[tokio::test]
async fn datagrams_go_out_and_answers_come_back() {
    let relay = start(with_host()).await;
    let mut a = leased(&relay, 1).await;
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let mut buffer = [0; 2000];
        let mut from = Vec::new();
        for _ in 0..2 {
            let (length, peer) = server.recv_from(&mut buffer).await.unwrap();
            // Larger than the MTU, and therefore lost; and from a stranger, and therefore as well.
            server.send_to(&[0; 1600], peer).await.unwrap();
            let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            stranger.send_to(b"psst", ("127.0.0.1", peer.port())).await.unwrap();
            server.send_to(&buffer[..length].to_ascii_uppercase(), peer).await.unwrap();
            from.push(peer);
        }
        from
    });
    let handle = a.udp(4000);
    for question in [&b"hello"[..], &[b'x'; 1472]] {
        let (answer, from) = a.ask(handle, host(address), question).await;
        assert_eq!(answer, question.to_ascii_uppercase());
        assert_eq!((from.addr, from.port), (IpAddress::Ipv4(GATEWAY), address.port()));
    }
    let from = answering.await.unwrap();
    assert_eq!(from[0], from[1], "the same port each time");
    assert_eq!(metric(&relay, "mirage_relay_nat_refused_total{reason=\"larger than the MTU\"}"), 2);
    assert_eq!(metric(&relay, "mirage_relay_nat_flows{protocol=\"udp\"}"), 1);
}

#[tokio::test]
async fn pings_go_out_where_that_is_permitted() {
    // The host itself, by another address than loopback; no packet is sent to find it.
    let route = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let connected = route.connect("192.0.2.1:9").await;
    let (Ok(()), Ok(SocketAddr::V4(own))) = (connected, route.local_addr()) else {
        println!("skipped: this host has no address but loopback");
        return;
    };
    if std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").is_ok_and(|range| range.starts_with("1\t0")) {
        println!("skipped: ping sockets are not permitted here (net.ipv4.ping_group_range)");
        return;
    }
    let reach = Reach { private: vec![own.ip().to_string().parse().unwrap()], ..Reach::default() };
    let relay = start(Config { reach, ..with_nat() }).await;
    let mut a = leased(&relay, 1).await;
    assert!(a.ping(*own.ip(), PATIENCE).await);
    let relay = start(with_nat()).await;
    let mut a = leased(&relay, 1).await;
    assert!(!a.ping(Ipv4Addr::new(192, 168, 77, 77), Duration::from_millis(300)).await);
    assert_eq!(metric(&relay, "mirage_relay_nat_refused_total{reason=\"destination not allowed\"}"), 1);
}

/// A resolver that knows one name, and is silent about others. Counts questions.
async fn resolver() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2000];
        loop {
            let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { return };
            let query = &buffer[..length];
            if !query[12..].starts_with(b"\x06mirage\x04test\0") {
                continue;
            }
            let mut answer = query.to_vec();
            answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
            answer[8..12].fill(0);
            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 77]);
            // A forger answers first, with another identifier: it is not believed.
            let mut forged = answer.clone();
            forged[0] ^= 0xff;
            let end = forged.len();
            forged[end - 1] = 66;
            let _ = socket.send_to(&forged, peer).await;
            let _ = socket.send_to(&answer, peer).await;
        }
    });
    address
}

#[tokio::test]
async fn names_are_resolved_by_the_hosts_resolvers() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolvers = vec![silent.local_addr().unwrap(), resolver().await];
    let relay = start(Config { resolvers, ..with_nat() }).await;
    let mut a = leased(&relay, 1).await;
    let began = Instant::now();
    let answer = a.resolve(DNS, "mirage.test").await;
    assert_eq!(answer, Ok(vec![IpAddress::v4(192, 0, 2, 77)]));
    assert!(began.elapsed() > Duration::from_secs(1), "the first resolver was silent");
    assert!(a.resolve(DNS, "unknown.test").await.is_err());
    assert!(metric(&relay, "mirage_relay_dns_failures_total") >= 1);
}

#[tokio::test]
async fn a_port_of_the_host_leads_into_the_lan() {
    let forwards = ["0:10.0.2.15:80", "udp:0:10.0.2.15:7"].map(|forward| forward.parse().unwrap()).to_vec();
    let relay = start(Config { forwards, ..with_nat() }).await;
    let (web, echo) = (relay.forwards()[0], relay.forwards()[1]);
    assert!(web.ip().is_loopback() && echo.ip().is_loopback());

    // Nobody is in the LAN: closed at once.
    let mut early = TcpStream::connect(web).await.unwrap();
    assert!(matches!(timeout(PATIENCE, early.read(&mut [0; 1])).await.unwrap(), Ok(0) | Err(_)));

    // A station that takes the address without asking for it: the gateway finds it by ARP.
    let mut a = Station::plug(&relay, "0", 1).await;
    a.set_address("10.0.2.15/24".parse().unwrap(), Some(GATEWAY));
    let listening = a.tcp();
    a.sockets.get_mut::<tcp::Socket>(listening).listen(80).unwrap();
    let browser = tokio::spawn(async move {
        let mut stream = TcpStream::connect(web).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    });
    let mut heard = Vec::new();
    let from = a
        .run(|sockets, _| {
            let socket = sockets.get_mut::<tcp::Socket>(listening);
            if socket.can_recv() {
                socket.recv(|bytes| (bytes.len(), heard.extend_from_slice(bytes))).unwrap();
            }
            if heard.ends_with(b"\r\n\r\n") && socket.may_send() {
                socket.send_slice(b"HTTP/1.0 200 OK\r\n\r\nfrom the tab").unwrap();
                socket.close();
                return Some(socket.remote_endpoint().unwrap());
            }
            None
        })
        .await;
    assert_eq!(from.addr, IpAddress::Ipv4(GATEWAY));
    a.run(|sockets, _| (!sockets.get_mut::<tcp::Socket>(listening).is_active()).then_some(())).await;
    assert!(browser.await.unwrap().ends_with(b"from the tab"));

    let handle = a.udp(7);
    let asking = tokio::spawn(async move {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(b"hello", echo).await.unwrap();
        let mut buffer = [0; 100];
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        (buffer[..length].to_vec(), from)
    });
    a.run(|sockets, _| {
        let socket = sockets.get_mut::<udp::Socket>(handle);
        let (bytes, meta) = socket.recv().ok()?;
        let bytes = bytes.to_ascii_uppercase();
        socket.send_slice(&bytes, meta.endpoint).unwrap();
        Some(())
    })
    .await;
    assert_eq!(timeout(PATIENCE, asking).await.unwrap().unwrap(), (b"HELLO".to_vec(), echo));

    // A port that the station does not listen on: closed.
    let mut refused = TcpStream::connect(web).await.unwrap();
    let ended = async { matches!(refused.read(&mut [0; 1]).await, Ok(0) | Err(_)) };
    tokio::select! {
        ended = ended => assert!(ended),
        () = a.run(|_, _| None) => {}
    }
}

#[tokio::test]
async fn damaged_packets_harm_nobody() {
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::Message;

    let relay = start(with_host()).await;
    let mut a = leased(&relay, 1).await;
    let mut bad = dial(&relay, "0").await;
    // To the gateway: IPv4 of all lengths, of noise.
    let mut seed = 1_u32;
    for length in 14..200 {
        let mut bytes = frame([0x52, 0x55, 10, 0, 2, 2], [2, 0, 0, 0, 0, 9], length);
        for byte in &mut bytes[14..] {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (seed >> 24) as u8;
        }
        bytes[12..14].copy_from_slice(&[8, if length % 2 == 0 { 0 } else { 6 }]);
        if let Some(first) = bytes.get_mut(14) {
            *first = 0x45;
        }
        bad.send(Message::binary(bytes)).await.unwrap();
    }
    let server = parrot().await;
    assert_eq!(a.talk(host(server), 4000, b"still here").await.unwrap(), b"<still here>");
    assert!(metric(&relay, "mirage_relay_nat_refused_total{reason=\"malformed\"}") > 100);
}
