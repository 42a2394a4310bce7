//! A name server for rigs.

use core::net::IpAddr;

use alloc::vec::Vec;
use mirage_sig::UdpSocket;

/// A DNS message is at most this long over UDP (RFC 1035, section 4.2.1).
const MESSAGE_MAX: usize = 512;

/// The header of a message (RFC 1035, section 4.1.1).
const HEADER: usize = 12;

/// Answers every question about `name` with those of `addresses` that it asks for, and that no other name exists (RFC 1035,
/// section 4). For as long as it is polled; it ends when the socket fails.
pub async fn serve_name<U: UdpSocket>(socket: U, name: &str, addresses: &[IpAddr]) {
    let wanted = encoded(name);
    let mut buffer = [0; MESSAGE_MAX];
    while let Ok((length, from)) = socket.receive_from(&mut buffer).await {
        let question = &buffer[..length];
        // The name, and then the type and the class, of two bytes each.
        if length < HEADER + 5 {
            continue;
        }
        let known = question[HEADER..].starts_with(&wanted);
        let kind = question[length - 3];
        let mut answer = question.to_vec();
        // An answer to a question that asked for recursion, which there is; code 3 is "no such name".
        (answer[2], answer[3]) = (0x81, if known { 0x80 } else { 0x83 });
        for address in addresses.iter().filter(|_| known) {
            let octets = match address {
                IpAddr::V4(address) if kind == 1 => address.octets().to_vec(),
                IpAddr::V6(address) if kind == 28 => address.octets().to_vec(),
                _ => continue,
            };
            answer[7] += 1;
            // The name of the question, the type, class 1, a minute to live.
            answer.extend([0xc0, HEADER as u8, 0, kind, 0, 1, 0, 0, 0, 60, 0, octets.len() as u8]);
            answer.extend(octets);
        }
        if socket.send_to(&answer, from).await.is_err() {
            return;
        }
    }
}

/// Each label with its length before it, and an empty one at the end.
fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes
}
