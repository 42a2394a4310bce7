use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use mirage_conformance::console::{self, ConsoleRig};
use mirage_conformance::fakes::{FakeConsole, FakeRuntime};
use mirage_conformance::poll::{poll_once, yield_now};
use mirage_sig::{BufRead, Console, ErrorType, Read, Sleep, Write};

use crate::{all_are_found, mistakes};

mistakes! {
    NothingTypedIsEndOfFile => "Reading waits for at least one byte",
    WaitsForAFullBuffer => "Reading waits for at least one byte",
    EmptyReadWaits => "An empty buffer gives Ok(0) at once, also when there is something to read",
    Backwards => "Bytes arrive in the order in which they were typed, and all of them",
    DropsWhatNobodyWaitsFor => "What comes while nobody reads is kept",
    KeepsMoreThanItSays => "Beyond the bound, the newest of what is typed is dropped",
    DropsTheOldest => "Beyond the bound, the newest of what is typed is dropped",
    TakesAndThenWaits => "A `read` or `fill_buf` that is dropped has taken no byte",
    FillTakesAndThenWaits => "A `read` or `fill_buf` that is dropped has taken no byte",
    FillingConsumes => "`consume` takes that many bytes from the buffer, and no others",
    ConsumesAll => "`consume` takes that many bytes from the buffer, and no others",
    EveryReaderGetsAll => "Each byte that is typed goes to one reader",
    EachHandleKeepsItsRest => "Each byte that is typed goes to one reader",
    LineKeepsItsEnd => "`read_line` gives the next line, without its \\n or \\r\\n",
    LineKeepsReturn => "`read_line` gives the next line, without its \\n or \\r\\n",
    RestOfLongLineComesNext => "A line of more than `max` bytes is cut there, and its rest is thrown away",
    NoLineIsAnEmptyLine => "`read_line` gives None at end of file",
    EndsOnce => "End of file when the console is gone; after it every read is end of file",
    EndWakesNobody => "End of file when the console is gone; after it every read is end of file",
    EmptyWriteWaits => "Writing an empty buffer gives Ok(0) at once",
    WritesAPart => "All of `buf` is taken by one call",
    WaitsWhenScreenIsFull => "Writing never waits for a person or for the network",
    LineHasNoEnd => "`line` prints the text and ends the line",
    FlushDoesNothing => "`flush` resolves when all that was written has been handed to the screen",
    MixesWrites => "Calls from several tasks are not mixed within one buffer",
    DecodesEachWrite => "Bytes that are not UTF-8 are shown as U+FFFD; a character may be split between two writes",
    InvalidBytesVanish => "Bytes that are not UTF-8 are shown as U+FFFD; a character may be split between two writes",
    WritesWhenCalled => "A `write` that is dropped before it was polled has written none",
}

struct Broken {
    inner: FakeConsole,
    runtime: FakeRuntime,
    mistake: Option<Mistake>,
    shared: Rc<Shared>,
    /// What this handle alone holds.
    held: Vec<u8>,
    /// Up to where this handle has read what was ever typed.
    position: usize,
    filled: usize,
}

#[derive(Default)]
struct Shared {
    typed: RefCell<Vec<u8>>,
    waiting: Cell<usize>,
    closed: Cell<bool>,
    ended: Cell<bool>,
    written: Cell<usize>,
}

impl Broken {
    fn new(runtime: &FakeRuntime, mistake: Option<Mistake>) -> Self {
        Self {
            inner: FakeConsole::new(),
            runtime: runtime.clone(),
            mistake,
            shared: Rc::default(),
            held: Vec::new(),
            position: 0,
            filled: 0,
        }
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    async fn moment(&self) {
        self.runtime.sleep(Duration::from_millis(1)).await;
    }
}

impl Clone for Broken {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            runtime: self.runtime.clone(),
            shared: self.shared.clone(),
            held: Vec::new(),
            position: self.shared.typed.borrow().len(),
            filled: 0,
            mistake: self.mistake,
        }
    }
}

impl ErrorType for Broken {
    type Error = Infallible;
}

/// Counts who waits, until it is dropped.
struct Waiting(Rc<Shared>);

impl Waiting {
    fn new(shared: &Rc<Shared>) -> Self {
        shared.waiting.set(shared.waiting.get() + 1);
        Self(shared.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl Read for Broken {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let Some(mistake) = self.mistake else { return self.inner.read(buffer).await };
        let _waiting = Waiting::new(&self.shared);
        if !self.held.is_empty() {
            let count = self.held.len().min(buffer.len());
            buffer[..count].copy_from_slice(&self.held[..count]);
            self.held.drain(..count);
            return Ok(count);
        }
        match mistake {
            Mistake::NothingTypedIsEndOfFile => {
                Ok(poll_once(self.inner.read(buffer)).await.map_or(0, |Ok(count)| count))
            }
            Mistake::WaitsForAFullBuffer => Ok(self.inner.read_exact(buffer).await.map_or(0, |()| buffer.len())),
            Mistake::EmptyReadWaits if buffer.is_empty() => self.inner.read(&mut [0]).await,
            Mistake::Backwards => {
                let Ok(count) = self.inner.read(buffer).await;
                buffer[..count].reverse();
                Ok(count)
            }
            Mistake::TakesAndThenWaits if !buffer.is_empty() => {
                let result = self.inner.read(buffer).await;
                yield_now().await;
                result
            }
            Mistake::EveryReaderGetsAll if !buffer.is_empty() => {
                while self.shared.typed.borrow().len() == self.position {
                    self.moment().await;
                }
                let typed = self.shared.typed.borrow();
                let count = buffer.len().min(typed.len() - self.position);
                buffer[..count].copy_from_slice(&typed[self.position..][..count]);
                self.position += count;
                Ok(count)
            }
            Mistake::EndsOnce if self.shared.ended.get() => pending().await,
            Mistake::EndsOnce => {
                let result = self.inner.read(buffer).await;
                self.shared.ended.set(result == Ok(0) && !buffer.is_empty());
                result
            }
            Mistake::EndWakesNobody if self.shared.closed.get() => Ok(0),
            _ => self.inner.read(buffer).await,
        }
    }
}

impl BufRead for Broken {
    async fn fill_buf(&mut self) -> Result<&[u8], Infallible> {
        let _waiting = Waiting::new(&self.shared);
        match self.mistake {
            Some(Mistake::FillingConsumes) => {
                self.inner.consume(self.filled);
                let Ok(buffer) = self.inner.fill_buf().await;
                self.filled = buffer.len();
                Ok(buffer)
            }
            Some(Mistake::FillTakesAndThenWaits) if self.held.is_empty() => {
                let mut buffer = [0; 3];
                let Ok(count) = self.inner.read(&mut buffer).await;
                yield_now().await;
                self.held.extend_from_slice(&buffer[..count]);
                Ok(&self.held)
            }
            Some(Mistake::EachHandleKeepsItsRest | Mistake::EveryReaderGetsAll) if self.held.is_empty() => {
                let mut buffer = [0; 20];
                let Ok(count) = self.read(&mut buffer).await;
                self.held.extend_from_slice(&buffer[..count]);
                Ok(&self.held)
            }
            _ if !self.held.is_empty() => Ok(&self.held),
            _ => self.inner.fill_buf().await,
        }
    }

    fn consume(&mut self, count: usize) {
        match self.mistake {
            Some(Mistake::FillingConsumes) => {}
            Some(Mistake::ConsumesAll) => self.inner.consume(usize::MAX),
            _ if !self.held.is_empty() => drop(self.held.drain(..count)),
            _ => self.inner.consume(count),
        }
    }
}

impl Write for Broken {
    fn write(&mut self, buffer: &[u8]) -> impl Future<Output = Result<usize, Infallible>> {
        let early = self.has(Mistake::WritesWhenCalled) && buffer.len() > 1;
        if early {
            let mut work = std::pin::pin!(self.inner.write(buffer));
            let _ = work.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        }
        async move { if early { Ok(buffer.len()) } else { self.write_polled(buffer).await } }
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        if self.has(Mistake::FlushDoesNothing) { Ok(()) } else { self.inner.flush().await }
    }
}

impl Broken {
    async fn write_polled(&mut self, buffer: &[u8]) -> Result<usize, Infallible> {
        self.shared.written.set(self.shared.written.get() + buffer.len());
        match self.mistake {
            Some(Mistake::EmptyWriteWaits) if buffer.is_empty() => pending().await,
            Some(Mistake::WritesAPart) => self.inner.write(&buffer[..buffer.len().min(100)]).await,
            Some(Mistake::WaitsWhenScreenIsFull) if self.shared.written.get() > 100_000 => pending().await,
            Some(Mistake::MixesWrites) => {
                for byte in buffer {
                    let Ok(_) = self.inner.write(&[*byte]).await;
                    yield_now().await;
                }
                Ok(buffer.len())
            }
            Some(Mistake::DecodesEachWrite) => {
                let Ok(()) = self.inner.write_all(String::from_utf8_lossy(buffer).as_bytes()).await;
                Ok(buffer.len())
            }
            Some(Mistake::InvalidBytesVanish) => {
                let text: String = buffer.utf8_chunks().map(|chunk| chunk.valid()).collect();
                // What may be part of a character stays.
                let split = buffer.utf8_chunks().all(|chunk| chunk.invalid().iter().all(|byte| *byte != 0xff));
                let Ok(()) = self.inner.write_all(if split { buffer } else { text.as_bytes() }).await;
                Ok(buffer.len())
            }
            _ => self.inner.write(buffer).await,
        }
    }
}

impl Console for Broken {
    async fn line(&mut self, text: &str) -> Result<(), Infallible> {
        match self.mistake {
            Some(Mistake::LineHasNoEnd) => self.inner.write_all(text.as_bytes()).await,
            _ => self.inner.line(text).await,
        }
    }

    async fn read_line(&mut self, max: usize) -> Result<Option<String>, Infallible> {
        match self.mistake {
            Some(Mistake::LineKeepsItsEnd) => Ok(self.inner.read_line(max).await?.map(|line| line + "\n")),
            Some(Mistake::NoLineIsAnEmptyLine) => Ok(Some(self.inner.read_line(max).await?.unwrap_or_default())),
            Some(Mistake::LineKeepsReturn | Mistake::RestOfLongLineComesNext) => {
                let mut line = Vec::new();
                let mut byte = [0];
                let cuts = self.has(Mistake::RestOfLongLineComesNext);
                while !cuts || line.len() < max {
                    if self.inner.read(&mut byte).await? == 0 && line.is_empty() {
                        return Ok(None);
                    }
                    if byte == *b"\n" {
                        line.pop_if(|byte| cuts && *byte == b'\r');
                        return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
                    }
                    line.extend(byte);
                }
                // The end of a line that just fits belongs to it.
                let rest = self.inner.fill_buf().await?;
                let end = if rest.starts_with(b"\n") { 1 } else { 2 * usize::from(rest.starts_with(b"\r\n")) };
                self.inner.consume(end);
                Ok(Some(String::from_utf8_lossy(&line).into_owned()))
            }
            Some(Mistake::EachHandleKeepsItsRest | Mistake::EveryReaderGetsAll) => {
                let mut line = Vec::new();
                loop {
                    let buffer = self.fill_buf().await?;
                    if buffer.is_empty() {
                        return Ok(None);
                    }
                    let byte = buffer[0];
                    self.consume(1);
                    if byte == b'\n' {
                        line.pop_if(|byte| *byte == b'\r');
                        line.truncate(max);
                        return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
                    }
                    line.push(byte);
                }
            }
            _ => self.inner.read_line(max).await,
        }
    }
}

impl ConsoleRig for Broken {
    type Console = Self;

    fn console(&self) -> Self {
        self.clone()
    }

    async fn type_text(&self, text: &str) {
        self.shared.typed.borrow_mut().extend(text.bytes());
        if self.has(Mistake::DropsWhatNobodyWaitsFor) && self.shared.waiting.get() == 0 {
            return;
        }
        if self.has(Mistake::DropsTheOldest) {
            let mut old = self.inner.clone();
            let full = self.shared.typed.borrow().len() > FakeConsole::INPUT_MAX;
            for _ in 0..if full { text.len() } else { 0 } {
                poll_once(old.read(&mut [0])).await;
            }
        }
        self.inner.type_text(text);
    }

    async fn screen(&self) -> String {
        ConsoleRig::screen(&self.inner).await
    }

    async fn close(&self) -> bool {
        self.shared.closed.set(true);
        if !self.has(Mistake::EndWakesNobody) {
            self.inner.close();
        }
        true
    }

    fn input_bound(&self) -> Option<usize> {
        Some(if self.has(Mistake::KeepsMoreThanItSays) { 1_000 } else { FakeConsole::INPUT_MAX })
    }
}

#[test]
fn mistakes_of_a_console() {
    all_are_found(MISTAKES, |runtime, mistake| {
        let broken = Broken::new(runtime, mistake);
        runtime.run(console::suite(runtime, &broken))
    });
}
