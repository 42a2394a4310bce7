//! WebSocket, the server's side (RFC 6455).

mod frame;
mod session;
mod sha1;
mod socket;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::pin::Pin;
use core::time::Duration;

use mirage_sig::Method;

use crate::request::Request;
use crate::response::{Content, Response, Stream};
pub use frame::{FrameDecoder, Incoming, Message, Opcode, Violation, push_frame};
use session::Session;
pub use socket::{SocketError, WebSocket};

/// What a WebSocket puts up with.
#[derive(Clone, Copy, Debug)]
pub struct SocketLimits {
    /// Bytes of a message; more ends the connection with the code 1009. By default 1 MiB.
    pub message: usize,
    /// A client that was not heard of, nor spoken to, for so long is pinged, and after as long again it has gone. By default
    /// 30 s.
    pub silence: Duration,
    /// What both sides have to come to an end once one has said so. By default 5 s.
    pub close_time: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self { message: 1 << 20, silence: Duration::from_secs(30), close_time: Duration::from_secs(5) }
    }
}

/// What the key of a handshake is followed by before it is hashed.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Goes on with a request as a WebSocket, which `application` is given and which is closed when that returns. What is no
/// handshake of version 13 gets 426 or 400.
///
/// When the client closes, the application has [`SocketLimits::close_time`] to come to its end. When the client goes away
/// without a word, it is dropped where it waits, as every handler is; a task that it gave the WebSocket to learns of that as
/// an error.
///
/// A browser sends this from any page: an application that trusts who it knows, by a cookie or by the network, looks at the
/// request's `Origin` first.
///
/// ```
/// use mirage_http::{Request, Response, SocketLimits, WebSocket, websocket};
///
/// async fn echo(request: Request) -> Response {
///     websocket(&request, SocketLimits::default(), async |mut socket: WebSocket| {
///         while let Ok(Some(message)) = socket.receive().await {
///             if socket.send(&message).await.is_err() {
///                 break;
///             }
///         }
///     })
/// }
/// ```
pub fn websocket<A>(request: &Request, limits: SocketLimits, application: A) -> Response
where
    A: AsyncFnOnce(WebSocket) + 'static,
{
    let (shared, socket) = socket::new(limits);
    // Boxed at once: all that follows is the same for every application.
    upgrade(request, shared, Box::pin(async move { application(socket).await }))
}

fn upgrade(request: &Request, shared: socket::Shared, application: Pin<Box<dyn Future<Output = ()>>>) -> Response {
    if request.method() != Method::Get || !request.upgrades_to("websocket") {
        let mut response = Response::error(426, "this is a WebSocket");
        response.push("Upgrade", b"websocket");
        return response;
    }
    if request.header("sec-websocket-version") != Some("13") {
        return Response::error(426, "only version 13 is spoken here").with_header("Sec-WebSocket-Version", "13");
    }
    let key = request.header("sec-websocket-key").unwrap_or_default().as_bytes();
    if !sha1::is_base64_of_16(key) {
        return Response::error(400, "the Sec-WebSocket-Key is not sixteen bytes in Base64");
    }
    let mut response = Response::new(101);
    response.push("Upgrade", b"websocket");
    response.push("Connection", b"Upgrade");
    response.push("Sec-WebSocket-Accept", &accept(key));
    let session = Session::new(shared.clone(), request.body_handle(), application);
    response.content = Content::Stream(Stream { source: Box::new(session), length: None, pulse: None });
    response.with_pulse(Rc::new(shared))
}

fn accept(key: &[u8]) -> Vec<u8> {
    sha1::base64(&sha1::sha1(&[key, GUID].concat()))
}

#[cfg(test)]
mod tests {
    /// RFC 6455, section 1.3.
    #[test]
    fn the_handshake_of_the_standard() {
        assert_eq!(super::accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
