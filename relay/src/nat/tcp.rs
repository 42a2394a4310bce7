//! TCP through the gateway: the connection with the client ends here ([`End`]), and a second one, of the host's, goes on. One
//! task for each. A client's connection is accepted when the second is, and refused when it is.

mod end;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

pub use end::End;

use super::Wire;
use super::packet::Flow;

/// How long the host may take to connect. Clients give up later than that.
const CONNECT: Duration = Duration::from_secs(15);

/// How long a connection may idle of which one half is closed (RFC 5382, section 5, REQ-5: four minutes). One that is open is
/// kept as long as its client answers keep-alives.
const HALF_CLOSED: Duration = Duration::from_secs(240);

/// The least MTU of IPv4 (RFC 791), which resets fit into.
const RESET_MTU: usize = 576;

/// A reset in answer to `packet`, if it is to be answered: it does not belong to a connection.
pub fn refuse(packet: Vec<u8>, flow: Flow) -> Option<Vec<u8>> {
    let now = std::time::Instant::now();
    let mut end = End::closed(flow, RESET_MTU, now);
    end.receive(packet);
    let mut reset = None;
    end.poll(now, |packet| reset = Some(packet));
    reset
}

/// A connection that a client opens with `syn`, to `destination`.
pub async fn outward(
    flow: Flow,
    syn: Vec<u8>,
    destination: SocketAddr,
    mut packets: mpsc::Receiver<Vec<u8>>,
    wire: Arc<Wire>,
) -> Flow {
    wire.metrics.tcp_opened.up();
    let _open = wire.metrics.tcp_flows.while_alive();
    let connected = tokio::select! {
        connected = timeout(CONNECT, TcpStream::connect(destination)) => connected,
        () = resets(&mut packets) => return flow,
    };
    match connected {
        Ok(Ok(stream)) => {
            // The client is answered only now. What it repeated meanwhile was let go.
            if let Some(mut end) = End::listening(flow, wire.mtu, std::time::Instant::now()) {
                end.receive(syn);
                splice(end, stream, packets, |packet| wire.send(packet)).await;
            }
        }
        Ok(Err(_)) | Err(_) => {
            wire.metrics.nat_unreachable.up();
            refuse(syn, flow).into_iter().for_each(|reset| wire.send(&reset));
        }
    }
    flow
}

/// A connection that came to a port of the host's, to a client.
pub async fn inward(flow: Flow, stream: TcpStream, packets: mpsc::Receiver<Vec<u8>>, wire: Arc<Wire>) -> Flow {
    wire.metrics.tcp_opened.up();
    let _open = wire.metrics.tcp_flows.while_alive();
    if let Some(end) = End::connecting(flow, wire.mtu, std::time::Instant::now()) {
        splice(end, stream, packets, |packet| wire.send(packet)).await;
    }
    flow
}

/// Ends when the client takes back what it asked for.
async fn resets(packets: &mut mpsc::Receiver<Vec<u8>>) {
    while let Some(packet) = packets.recv().await {
        let header = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
        // RFC 9293, section 3.1: the flags are in the 14th byte.
        if packet.get(header + 13).is_some_and(|flags| flags & 0x04 != 0) {
            return;
        }
    }
    // The gateway ends, and this task with it.
    std::future::pending().await
}

/// Carries bytes between both connections, until both are over. Each half is closed when the other side closes it.
async fn splice(mut end: End, stream: TcpStream, mut packets: mpsc::Receiver<Vec<u8>>, send: impl Fn(&[u8])) {
    let _ = stream.set_nodelay(true);
    let mut halves = Halves::default();
    let mut quiet_since = Instant::now();
    loop {
        // All packets that are here before any is answered: then there are fewer answers.
        while let Ok(packet) = packets.try_recv() {
            end.receive(packet);
        }
        let moved = loop {
            end.poll(std::time::Instant::now(), |packet| send(&packet));
            match halves.carry(&mut end, &stream) {
                // It made room, or something to send.
                Ok(true) => quiet_since = Instant::now(),
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if moved.is_err() {
            // The host's connection broke: so does the client's.
            return break_off(&mut end, send);
        }
        // After an orderly end, what the host has not taken yet is still to be carried; after a reset it is not.
        if end.is_over() && (end.is_read() || !end.client_is_done()) {
            if !(halves.to_host_closed && halves.to_client_closed) {
                // The client broke it off. A reset, as no more than a close could look like a whole answer.
                let _ = stream.set_zero_linger();
            }
            return;
        }
        let deadline = end.deadline(std::time::Instant::now()).map(Instant::from_std);
        let half_closed = halves.to_host_closed || halves.to_client_closed;
        let (can_recv, can_send) = end.socket().map_or((false, false), |socket| (socket.can_recv(), socket.can_send()));
        tokio::select! {
            packet = packets.recv() => match packet {
                Some(packet) => end.receive(packet),
                None => return,
            },
            // Errors show when it is read or written.
            _ = stream.readable(), if can_send && !halves.to_client_closed => {}
            _ = stream.writable(), if can_recv && !halves.to_host_closed => {}
            () = sleep_until(deadline.unwrap_or(quiet_since)), if deadline.is_some() => {}
            () = sleep_until(quiet_since + HALF_CLOSED), if half_closed => {
                let _ = stream.set_zero_linger();
                return break_off(&mut end, send);
            }
        }
    }
}

/// Resets the connection with the client, if it is not over.
fn break_off(end: &mut End, send: impl Fn(&[u8])) {
    end.socket().into_iter().for_each(|socket| socket.abort());
    end.poll(std::time::Instant::now(), |packet| send(&packet));
}

/// Which halves of the two connections were closed by us, because the other side had closed them.
#[derive(Default)]
struct Halves {
    to_host_closed: bool,
    to_client_closed: bool,
}

impl Halves {
    /// Moves what can be moved without waiting. Whether anything did.
    fn carry(&mut self, end: &mut End, stream: &TcpStream) -> io::Result<bool> {
        let mut moved = false;
        let Some(socket) = end.socket() else { return Ok(false) };
        while socket.can_recv() && !self.to_host_closed {
            let written = socket.recv(|bytes| match stream.try_write(bytes) {
                Ok(length) => (length, Ok(length)),
                Err(error) => (0, Err(error)),
            });
            match written {
                Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(Ok(_)) => moved = true,
                Ok(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Ok(Err(error)) => return Err(error),
                Err(_) => break,
            }
        }
        while socket.can_send() && !self.to_client_closed {
            let read = socket.send(|room| match stream.try_read(room) {
                Ok(length) => (length, Ok(length)),
                Err(error) => (0, Err(error)),
            });
            match read {
                Ok(Ok(0)) => {
                    socket.close();
                    self.to_client_closed = true;
                    moved = true;
                }
                Ok(Ok(_)) => moved = true,
                Ok(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Ok(Err(error)) => return Err(error),
                Err(_) => break,
            }
        }
        if !self.to_host_closed && end.client_is_done() && end.is_read() {
            socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write)?;
            self.to_host_closed = true;
            moved = true;
        }
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::sleep;

    use super::*;

    const GUEST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 4000);
    const REMOTE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 80);

    /// A server that is done speaking before it has heard anything, and listens late: when both ends have said goodbye, most of
    /// what the client said is still in the gateway.
    #[tokio::test]
    async fn what_the_host_has_not_taken_yet_is_not_lost() {
        const SIZE: usize = 60_000;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        socket2::SockRef::from(&listener).set_recv_buffer_size(2048).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(2048).unwrap();
        let stream = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        let (said_all, go) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.shutdown().await.unwrap();
            go.await.unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.map(|_| heard.len())
        });

        let now = std::time::Instant::now;
        let gateway = End::listening(Flow { guest: GUEST, remote: REMOTE }, 1500, now()).unwrap();
        let mut client = End::connecting(Flow { guest: REMOTE, remote: GUEST }, 1500, now()).unwrap();
        let (to_gateway, packets) = mpsc::channel(128);
        let (to_client, mut answers) = mpsc::unbounded_channel();
        let mut opens = Vec::new();
        client.poll(now(), |packet| opens.push(packet));
        let mut gateway = gateway;
        opens.into_iter().for_each(|packet| gateway.receive(packet));
        let splicing = tokio::spawn(splice(gateway, stream, packets, move |packet| {
            // The client may have gone.
            let _ = to_client.send(packet.to_vec());
        }));
        let mut left = SIZE;
        while !client.is_over() {
            let mut out = Vec::new();
            client.poll(now(), |packet| out.push(packet));
            if let Some(socket) = client.socket()
                && socket.can_send()
            {
                left -= socket.send_slice(&vec![7; left]).unwrap();
                if left == 0 {
                    socket.close();
                }
            }
            for packet in out {
                to_gateway.send(packet).await.unwrap();
            }
            tokio::select! {
                Some(answer) = answers.recv() => client.receive(answer),
                () = sleep(Duration::from_millis(5)) => {}
            }
        }
        said_all.send(()).unwrap();
        assert_eq!(server.await.unwrap().unwrap(), SIZE);
        splicing.await.unwrap();
    }
}
