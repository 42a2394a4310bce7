use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;

use mirage_sig::{ErrorType, Write, io};

use crate::wait::Waiters;

/// A body broke off: what it was made from failed. The connection is cut, so that nobody takes a part for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenOff;

/// The next piece of a body; None at its end.
pub type Piece = Result<Option<Vec<u8>>, BrokenOff>;

/// Gives a body piece by piece. It is asked for the next one when the last has been sent, and dropped when nobody wants more.
///
/// An async closure is one, and so is the reading end of a [`pipe`].
pub trait Source {
    /// The next piece. Empty ones are left out.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Piece> + '_>>;
}

impl<F: AsyncFnMut() -> Piece> Source for F {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Piece> + '_>> {
        Box::pin(self())
    }
}

/// A way for a task to write a body: what is written into the one comes out of the other. At most `most` bytes wait between
/// them, 1 at least; then the writer does.
pub fn pipe(most: usize) -> (PipeWriter, PipeReader) {
    let pipe = Pipe { waiting: Vec::new(), most: most.max(1), ended: End::Open, waiters: Waiters::default() };
    let pipe = Rc::new(RefCell::new(pipe));
    (PipeWriter(pipe.clone()), PipeReader(pipe))
}

struct Pipe {
    waiting: Vec<u8>,
    most: usize,
    ended: End,
    waiters: Waiters,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// The writer was dropped, or has finished.
    Written,
    /// The writer has given up.
    Broken,
    /// The reader was dropped: nobody wants more.
    Unread,
}

type SharedPipe = Rc<RefCell<Pipe>>;

fn change(pipe: &SharedPipe, change: impl FnOnce(&mut Pipe)) {
    let mut pipe = pipe.borrow_mut();
    change(&mut pipe);
    let waiters = pipe.waiters.take();
    drop(pipe);
    waiters.wake();
}

/// The end of a [`pipe`] that a task writes into. Dropping it is the end of the body.
///
/// # Cancel safety
/// A `write` that is dropped has given no byte.
pub struct PipeWriter(SharedPipe);

impl PipeWriter {
    /// Breaks the body off: who reads it learns that it is not whole.
    pub fn break_off(self) {
        change(&self.0, |pipe| pipe.ended = End::Broken);
    }

    /// Waits until nobody wants more: the client has gone, or the body is over.
    pub async fn closed(&self) {
        poll_fn(|cx| {
            let mut pipe = self.0.borrow_mut();
            if pipe.ended == End::Unread {
                return Poll::Ready(());
            }
            pipe.waiters.add(cx.waker());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        change(&self.0, |pipe| {
            if pipe.ended == End::Open {
                pipe.ended = End::Written;
            }
        });
    }
}

/// Nobody reads what is written: the client has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads this any more: the client has gone")
    }
}

impl core::error::Error for Unread {}

impl io::Error for Unread {
    fn kind(&self) -> io::ErrorKind {
        io::ErrorKind::BrokenPipe
    }
}

impl ErrorType for PipeWriter {
    type Error = Unread;
}

impl Write for PipeWriter {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Unread> {
        let count = poll_fn(|cx| {
            let mut pipe = self.0.borrow_mut();
            if pipe.ended == End::Unread {
                return Poll::Ready(Err(Unread));
            }
            let count = buffer.len().min(pipe.most.saturating_sub(pipe.waiting.len()));
            if count == 0 && !buffer.is_empty() {
                pipe.waiters.add(cx.waker());
                return Poll::Pending;
            }
            pipe.waiting.extend(buffer.iter().take(count));
            Poll::Ready(Ok(count))
        })
        .await?;
        change(&self.0, |_| ());
        Ok(count)
    }

    /// Waits until all that was written has been taken for sending.
    async fn flush(&mut self) -> Result<(), Unread> {
        poll_fn(|cx| {
            let mut pipe = self.0.borrow_mut();
            if pipe.waiting.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if pipe.ended == End::Unread {
                return Poll::Ready(Err(Unread));
            }
            pipe.waiters.add(cx.waker());
            Poll::Pending
        })
        .await
    }
}

/// The end of a [`pipe`] that a body is read from.
pub struct PipeReader(SharedPipe);

impl Drop for PipeReader {
    fn drop(&mut self) {
        change(&self.0, |pipe| pipe.ended = End::Unread);
    }
}

impl Source for PipeReader {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Piece> + '_>> {
        Box::pin(async {
            let piece = poll_fn(|cx| {
                let mut pipe = self.0.borrow_mut();
                match pipe.ended {
                    // What was written before counts, unless the whole is worth nothing.
                    End::Broken => Poll::Ready(Err(BrokenOff)),
                    _ if !pipe.waiting.is_empty() => Poll::Ready(Ok(Some(core::mem::take(&mut pipe.waiting)))),
                    End::Open => {
                        pipe.waiters.add(cx.waker());
                        Poll::Pending
                    }
                    End::Written | End::Unread => Poll::Ready(Ok(None)),
                }
            })
            .await;
            change(&self.0, |_| ());
            piece
        })
    }
}
