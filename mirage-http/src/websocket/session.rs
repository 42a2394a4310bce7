use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use mirage_sig::{Flow, Read, Runtime, Write};

use super::frame::{FrameDecoder, Incoming, Opcode, push_frame};
use super::socket::{Shared, SocketError, change, until};
use super::{SocketLimits, Upgrade};
use crate::inbox::Inbox;
use crate::server::send;
use crate::wait::{Either, either};

/// Bytes that are read at once, at most.
const READ_MAX: usize = 16 << 10;

/// Pongs wait among what is to be sent; a client that pings and does not read gets no more of them than this many bytes.
const PONGS_MAX: usize = 4 << 10;

/// Runs a WebSocket to its end: application, both directions, and the watch on a silent client, all in one task.
pub(crate) async fn run<R: Runtime, F: Flow>(runtime: &R, flow: &mut F, inbox: Inbox, upgrade: Upgrade) {
    let Upgrade { shared, mut application } = upgrade;
    let limits = shared.borrow().limits;
    {
        let (mut reader, mut writer) = flow.split();
        let mut reading = pin!(async {
            let receiving = receive(&mut reader, inbox, &shared, limits.message);
            let how = watch(runtime, &shared, limits, receiving).await;
            change(&shared, |state| {
                state.end(how);
                match how {
                    // An answer to a close is the same code; whoever broke the protocol is told so.
                    Err(SocketError::Violation(violation)) => state.close(violation.code, violation.why),
                    _ => state.close(1000, ""),
                }
            });
            how
        });
        let mut writing = pin!(async {
            let how = transmit(runtime, &mut writer, &shared, limits).await;
            if how.is_err() {
                change(&shared, |state| state.end(Err(SocketError::Gone)));
            }
            how
        });
        let (mut application_done, mut read, mut written) = (false, None, None);
        let mut poll_all = |cx: &mut core::task::Context<'_>, all: bool| {
            if !application_done {
                application_done = application.as_mut().poll(cx).is_ready();
            }
            if read.is_none()
                && let Poll::Ready(how) = reading.as_mut().poll(cx)
            {
                read = Some(how);
            }
            if written.is_none()
                && let Poll::Ready(how) = writing.as_mut().poll(cx)
            {
                written = Some(how);
            }
            // Nobody is there: only the application is still waited for.
            let gone = matches!(read, Some(Err(SocketError::Gone))) || matches!(written, Some(Err(_)));
            let done = [application_done, gone || read.is_some(), gone || written.is_some()];
            let enough = if all { done == [true; 3] } else { done != [false; 3] };
            if enough { Poll::Ready(()) } else { Poll::Pending }
        };
        // As long as all goes well; then each of the three has some time to come to its end.
        poll_fn(|cx| poll_all(cx, false)).await;
        let _ = runtime.timeout(limits.close_time, poll_fn(|cx| poll_all(cx, true))).await;
    }
}

/// Takes messages in, until the client closes, breaks the protocol, or is gone.
async fn receive<F: Read>(reader: &mut F, mut inbox: Inbox, shared: &Shared, most: usize) -> Result<(), SocketError> {
    let mut decoder = FrameDecoder::new(true, most);
    loop {
        // The application sets the pace. Once it has closed, nothing waits for it any more.
        until(shared, |state| (state.message.is_none() || state.closing).then_some(())).await;
        let (used, incoming) = decoder.decode(inbox.bytes()).map_err(SocketError::Violation)?;
        inbox.consume(used);
        match incoming {
            Some(Incoming::Message(message)) => change(shared, |state| {
                if !state.closing {
                    state.message = Some(message);
                }
            }),
            Some(Incoming::Ping(payload)) => change(shared, |state| {
                if !state.closing && state.out.len() < PONGS_MAX {
                    push_frame(&mut state.out, true, Opcode::Pong, &payload, None);
                }
            }),
            Some(Incoming::Pong) => {}
            Some(Incoming::Close(code)) => {
                change(shared, |state| state.close(code.unwrap_or(1000), ""));
                return Ok(());
            }
            None => {
                inbox.shrink();
                let count = reader.read(inbox.room(READ_MAX)).await.map_err(|_| SocketError::Gone)?;
                if count == 0 {
                    return Err(SocketError::Gone);
                }
                inbox.filled(count);
                change(shared, |state| state.heard = true);
            }
        }
    }
}

/// Receives, and meanwhile asks a client that is silent whether it is there.
async fn watch<R: Runtime>(
    runtime: &R,
    shared: &Shared,
    limits: SocketLimits,
    receiving: impl Future<Output = Result<(), SocketError>>,
) -> Result<(), SocketError> {
    let watching = async {
        loop {
            runtime.sleep(limits.silence).await;
            // While a message waits to be taken, nothing is read, so that silence says nothing.
            let mut state = shared.borrow_mut();
            if core::mem::take(&mut state.heard) || state.message.is_some() {
                state.pinged = false;
            } else if core::mem::replace(&mut state.pinged, true) {
                return;
            } else {
                drop(state);
                change(shared, |state| {
                    if !state.closing {
                        push_frame(&mut state.out, true, Opcode::Ping, b"", None);
                    }
                });
            }
        }
    };
    match either(receiving, watching).await {
        Either::Left(how) => how,
        Either::Right(()) => Err(SocketError::Gone),
    }
}

/// Sends what is to be sent, until the close frame has been.
async fn transmit<R: Runtime, W: Write>(
    runtime: &R,
    writer: &mut W,
    shared: &Shared,
    limits: SocketLimits,
) -> Result<(), SocketError> {
    loop {
        let next = |state: &mut super::socket::State| match state.out.is_empty() {
            false => Some(Some(core::mem::take(&mut state.out))),
            true if state.closing => Some(None),
            true => None,
        };
        let Some(bytes) = until(shared, next).await else { return Ok(()) };
        change(shared, |_| ());
        send(runtime, writer, &bytes, limits.write_time).await.map_err(|_| SocketError::Gone)?;
    }
}
