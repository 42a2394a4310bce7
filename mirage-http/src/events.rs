use alloc::rc::Rc;
use alloc::vec::Vec;
use core::time::Duration;

use mirage_sig::Write;

use crate::response::{Pulse, Response};
use crate::source::{PipeWriter, Unread, pipe};

/// Bytes of events that wait to be sent, at most; then who sends more waits.
const WAITING_MAX: usize = 16 << 10;

/// After so long without an event a comment is sent, by which proxies and we see whether the client is there.
const ALIVE: Duration = Duration::from_secs(15);

/// An event for the browser's `EventSource`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event<'a> {
    /// Its type; `message` if empty. It is one line: what follows it is left out.
    pub name: &'a str,
    /// What the browser sends in `Last-Event-ID` when it connects again, if not empty. One line, as the name.
    pub id: &'a str,
    /// Its text, of any number of lines.
    pub data: &'a str,
}

/// Server-sent events (HTML Standard, section 9.2): an answer without an end, into which a task writes.
///
/// ```
/// use mirage_http::{Event, Events, Request, Response, Unread};
/// use mirage_sig::Runtime;
/// use core::time::Duration;
///
/// async fn ticks<R: Runtime>(runtime: R, mut events: Events) -> Result<(), Unread> {
///     loop {
///         events.send(Event { data: "tick", ..Event::default() }).await?;
///         runtime.sleep(Duration::from_secs(1)).await;
///     }
/// }
///
/// async fn handle<R: Runtime>(runtime: &R) -> Response {
///     let (events, response) = Events::new();
///     drop(runtime.spawn(ticks(runtime.clone(), events)));
///     response
/// }
/// ```
pub struct Events(PipeWriter);

impl Events {
    /// A stream of events, and the answer that it is.
    pub fn new() -> (Self, Response) {
        let (writer, reader) = pipe(WAITING_MAX);
        let response = Response::stream("text/event-stream", None, reader)
            .with_header("Cache-Control", "no-cache")
            .with_pulse(Rc::new(Comments));
        (Self(writer), response)
    }

    /// Sends an event; waits while too many do.
    ///
    /// # Errors
    /// The client has gone.
    ///
    /// # Cancel safety
    /// Not cancel safe: half an event may have been sent.
    pub async fn send(&mut self, event: Event<'_>) -> Result<(), Unread> {
        let mut text = Vec::with_capacity(event.data.len() + 16);
        for (field, value) in [("event: ", event.name), ("id: ", event.id)] {
            let line = lines(value).next().unwrap_or_default();
            if !line.is_empty() {
                push_line(&mut text, field, line);
            }
        }
        for line in lines(event.data) {
            push_line(&mut text, "data: ", line);
        }
        text.push(b'\n');
        self.0.write_all(&text).await
    }

    /// Waits until the client has gone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// A comment for every silence.
struct Comments;

impl Pulse for Comments {
    fn span(&self) -> Duration {
        ALIVE
    }

    fn beat(&self) -> Option<Vec<u8>> {
        Some(Vec::from(b":\n\n"))
    }
}

fn push_line(text: &mut Vec<u8>, field: &str, line: &str) {
    text.extend_from_slice(field.as_bytes());
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
}

/// The lines of a text, which end as they do for an `EventSource`: in LF, CR, or both.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let end = text.bytes().position(|byte| matches!(byte, b'\r' | b'\n'));
        let Some((line, tail)) = end.and_then(|end| text.split_at_checked(end)) else { return rest.take() };
        rest = tail.strip_prefix("\r\n").or_else(|| tail.get(1..));
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_three_ways() {
        assert_eq!(lines("a\nb\rc\r\nd").collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(lines("").collect::<Vec<_>>(), [""]);
        assert_eq!(lines("\n").collect::<Vec<_>>(), ["", ""]);
    }
}
