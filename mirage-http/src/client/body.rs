use alloc::rc::Rc;
use alloc::string::String;
use core::fmt;

use mirage_sig::{ErrorType, Read, Runtime, Stack};

use super::error::{ClientError, What};
use super::{Inner, READ_MAX};
use crate::inbox::Inbox;
use crate::wire::BodyDecoder;

/// The body of an answer, as it arrives. When its end has been read, the connection is kept for another request.
pub struct ClientBody<R: Runtime, S: Stack> {
    pub(super) client: Rc<Inner<R, S>>,
    /// Not there any more once the body has come to its end.
    pub(super) flow: Option<S::Flow>,
    pub(super) inbox: Inbox,
    pub(super) decoder: BodyDecoder,
    pub(super) persists: bool,
    pub(super) authority: String,
    pub(super) url: String,
    pub(super) failed: Option<What>,
}

impl<R: Runtime, S: Stack> fmt::Debug for ClientBody<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBody").field("url", &self.url).finish_non_exhaustive()
    }
}

impl<R: Runtime, S: Stack> ClientBody<R, S> {
    /// Gives the connection back, if the body has ended and nothing that nobody asked for has come after it.
    pub(super) fn release(&mut self) {
        if !self.decoder.is_done() {
            return;
        }
        if let Some(flow) = self.flow.take().filter(|_| self.persists && self.inbox.is_empty()) {
            let until = self.client.runtime.now() + self.client.limits.idle_time;
            self.client.pool.put(&self.client.runtime, &self.authority, flow, until);
        }
        self.inbox = Inbox::default();
    }

    fn fail(&mut self, why: &'static str) -> ClientError {
        self.flow = None;
        let what = self.failed.insert(What::Broken(why)).clone();
        ClientError { url: self.url.clone(), what }
    }
}

impl<R: Runtime, S: Stack> ErrorType for ClientBody<R, S> {
    type Error = ClientError;
}

impl<R: Runtime, S: Stack> Read for ClientBody<R, S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ClientError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if let Some(what) = &self.failed {
            return Err(ClientError { url: self.url.clone(), what: what.clone() });
        }
        loop {
            let (used, filled) = match self.decoder.decode(self.inbox.bytes(), buffer) {
                Ok(moved) => moved,
                Err(refusal) => return Err(self.fail(refusal.why)),
            };
            self.inbox.consume(used);
            self.release();
            if filled > 0 {
                return Ok(filled);
            }
            let Some(flow) = &mut self.flow else { return Ok(0) };
            // Where nothing stands between the body's bytes, they need not lie in a buffer of ours first.
            let direct = match self.decoder {
                BodyDecoder::Length(left) => usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len()),
                BodyDecoder::UntilClose => buffer.len(),
                BodyDecoder::Chunked(_) => 0,
            };
            let room = match direct {
                0 => self.inbox.room(READ_MAX),
                direct => buffer.get_mut(..direct).unwrap_or_default(),
            };
            let read = self.client.runtime.timeout(self.client.limits.body_time, flow.read(room)).await;
            match read {
                Err(_) => return Err(self.fail("nothing has come for too long")),
                Ok(Err(_)) => return Err(self.fail("the connection was lost")),
                Ok(Ok(0)) => {
                    let BodyDecoder::UntilClose = self.decoder else {
                        return Err(self.fail("the connection ended before the body"));
                    };
                    self.flow = None;
                    return Ok(0);
                }
                Ok(Ok(count)) if direct == 0 => self.inbox.filled(count),
                Ok(Ok(count)) => {
                    self.decoder.took(count);
                    self.release();
                    return Ok(count);
                }
            }
        }
    }
}
