//! Pings through the gateway, by the sockets that Linux and macOS have for programs without rights
//! (`net.ipv4.ping_group_range`).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Once;
use std::time::Duration;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, Ipv4Packet};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::Wire;
use super::packet::{self, Echo, IPV4_HEADER_LEN};

/// Echo requests of one LAN that wait for their answer at most.
pub const PINGS_MAX: usize = 64;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

static TOLD: Once = Once::new();

/// Asks `destination` for an echo in the client's place, and brings it the answer.
pub async fn ping(echo: Echo, destination: Ipv4Addr, wire: &Wire) {
    wire.metrics.pings_opened.up();
    let _open = wire.metrics.pings.while_alive();
    match timeout(PATIENCE, ask(&echo, destination, wire.mtu)).await {
        Ok(Ok(())) => wire.send(&packet::echo_reply(&echo)),
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => TOLD.call_once(|| {
            log::warn!(
                target: "nat",
                "pings beyond the gateway are not permitted here; root can: sysctl net.ipv4.ping_group_range='0 2147483647' (told once)"
            );
        }),
        // No answer: the client sees the same.
        Ok(Err(_)) | Err(_) => wire.metrics.nat_unreachable.up(),
    }
}

/// Returns when the answer came, with the same data. The kernel chooses the identifier, and sorts by it.
async fn ask(echo: &Echo, destination: Ipv4Addr, mtu: usize) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4))?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket.into())?;
    socket.connect(SocketAddr::from((destination, 0))).await?;
    let request = Icmpv4Repr::EchoRequest { ident: echo.ident, seq_no: echo.sequence, data: &echo.data };
    let mut bytes = vec![0; request.buffer_len()];
    request.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
    socket.send(&bytes).await?;
    let mut answer = vec![0; mtu + IPV4_HEADER_LEN];
    loop {
        let length = socket.recv(&mut answer).await?;
        if is_answer(&answer[..length], echo) {
            return Ok(());
        }
    }
}

fn is_answer(bytes: &[u8], echo: &Echo) -> bool {
    // macOS leaves the IP header in front.
    let message = match Ipv4Packet::new_checked(bytes) {
        Ok(ip) if ip.version() == 4 => bytes.get(usize::from(ip.header_len())..).unwrap_or_default(),
        _ => bytes,
    };
    let Ok(message) = Icmpv4Packet::new_checked(message) else { return false };
    matches!(
        Icmpv4Repr::parse(&message, &ChecksumCapabilities::default()),
        Ok(Icmpv4Repr::EchoReply { seq_no, data, .. }) if seq_no == echo.sequence && data == echo.data
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_answers_where_it_is_permitted() {
        let echo =
            Echo { from: Ipv4Addr::LOCALHOST, to: Ipv4Addr::LOCALHOST, ident: 7, sequence: 3, data: b"data".to_vec() };
        match ask(&echo, Ipv4Addr::LOCALHOST, 1500).await {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                println!("skipped: ping sockets are not permitted here")
            }
            outcome => outcome.unwrap(),
        }
    }

    #[test]
    fn an_answer_has_the_same_number_and_data() {
        let echo =
            Echo { from: Ipv4Addr::LOCALHOST, to: Ipv4Addr::LOCALHOST, ident: 7, sequence: 3, data: b"data".to_vec() };
        let packet = packet::echo_reply(&echo);
        assert!(is_answer(&packet, &echo) && is_answer(&packet[20..], &echo));
        assert!(!is_answer(&packet[20..], &Echo { sequence: 4, ..echo.clone() }));
        assert!(!is_answer(&packet[20..], &Echo { data: b"date".to_vec(), ..echo.clone() }));
        assert!(!is_answer(&packet[..22], &echo) && !is_answer(&[], &echo));
    }
}
