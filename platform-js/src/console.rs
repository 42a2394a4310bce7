//! The console: a terminal of the domain, and handles on it for the unikernel.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use mirage_sig::{BufRead, Console, ErrorType, Read, Write, io};

use crate::clock;
use crate::dom_console::DomConsole;
use crate::messages::ConsoleReport;

/// Typed bytes that wait for a reader. What is typed beyond is dropped, and counted.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Output that waits for the page. Beyond it the oldest is dropped, and counted.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// Where a terminal's text goes.
pub(crate) enum Screen {
    /// An element of this window.
    Dom(DomConsole),
    /// The page, by this function. It takes one text at a time, until [`Terminal::drained`].
    Page(Box<dyn Fn(&str)>),
}

/// What a domain writes to and reads from.
#[derive(Clone)]
pub(crate) struct Terminal(Rc<Inner>);

struct Inner {
    screen: Screen,
    /// The first bytes of a character whose rest has not come yet.
    partial: RefCell<Vec<u8>>,
    /// Text that waits while the page is busy with the last one.
    waiting: RefCell<String>,
    page_busy: Cell<bool>,
    flushers: RefCell<Vec<Waker>>,
    input: RefCell<VecDeque<u8>>,
    /// How many bytes of input have been taken.
    taken: Cell<u64>,
    readers: RefCell<Vec<Waker>>,
    closed: Cell<bool>,
    first_line_ms: Cell<Option<f64>>,
    report: Cell<ConsoleReport>,
}

impl Terminal {
    pub fn new(screen: Screen) -> Self {
        Self(Rc::new(Inner {
            screen,
            partial: RefCell::default(),
            waiting: RefCell::default(),
            page_busy: Cell::new(false),
            flushers: RefCell::default(),
            input: RefCell::default(),
            taken: Cell::new(0),
            readers: RefCell::default(),
            closed: Cell::new(false),
            first_line_ms: Cell::new(None),
            report: Cell::default(),
        }))
    }

    pub fn console(&self) -> PageConsole {
        PageConsole { terminal: self.clone(), place: 0, peeked: Vec::new() }
    }

    pub fn stats(&self) -> ConsoleReport {
        self.0.report.get()
    }

    pub fn first_line_ms(&self) -> Option<f64> {
        self.0.first_line_ms.get()
    }

    fn count(&self, change: impl FnOnce(&mut ConsoleReport)) {
        let mut report = self.0.report.get();
        change(&mut report);
        self.0.report.set(report);
    }

    pub fn write(&self, bytes: &[u8]) {
        self.count(|report| report.written_bytes += bytes.len() as f64);
        let text = self.decode(bytes);
        if text.is_empty() {
            return;
        }
        match &self.0.screen {
            Screen::Dom(screen) => screen.write(&text),
            Screen::Page(post) if !self.0.page_busy.get() => {
                self.0.page_busy.set(true);
                post(&text);
            }
            Screen::Page(_) => self.keep(&text),
        }
        if self.0.first_line_ms.get().is_none() && text.contains('\n') {
            self.0.first_line_ms.set(Some(clock::milliseconds()));
        }
    }

    /// UTF-8 to text, across the borders of writes.
    fn decode(&self, bytes: &[u8]) -> String {
        let mut partial = self.0.partial.borrow_mut();
        partial.extend_from_slice(bytes);
        let mut text = String::with_capacity(partial.len());
        let mut rest: &[u8] = &partial;
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    // Valid up to here, so nothing is replaced.
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    let Some(wrong) = error.error_len() else { break };
                    text.push('\u{fffd}');
                    rest = &rest[wrong..];
                }
            }
        }
        let kept = rest.to_vec();
        *partial = kept;
        text
    }

    /// Keeps text for later; when there is too much, the oldest goes.
    fn keep(&self, text: &str) {
        let mut waiting = self.0.waiting.borrow_mut();
        waiting.push_str(text);
        if waiting.len() > OUTPUT_BYTES_MAX {
            let cut = waiting.ceil_char_boundary(waiting.len() - OUTPUT_BYTES_MAX);
            waiting.drain(..cut);
            self.count(|report| report.dropped_bytes += cut as f64);
        }
    }

    /// The page has shown the last text, and can take another.
    pub fn drained(&self) {
        let waiting = self.0.waiting.take();
        if let (Screen::Page(post), false) = (&self.0.screen, waiting.is_empty()) {
            post(&waiting);
            return;
        }
        self.0.page_busy.set(false);
        let flushers = self.0.flushers.take();
        flushers.into_iter().for_each(Waker::wake);
    }

    /// Shows a text now, after all that waits. For the end, when nobody comes back to say that the page is ready.
    pub fn last_words(&self, text: &str) {
        match &self.0.screen {
            Screen::Dom(screen) => screen.write(text),
            Screen::Page(post) => {
                let mut all = self
                    .0
                    .waiting
                    .try_borrow_mut()
                    .map(|mut waiting| std::mem::take(&mut *waiting))
                    .unwrap_or_default();
                all.push_str(text);
                post(&all);
            }
        }
    }

    /// What somebody typed.
    pub fn typed(&self, text: &str) {
        let mut input = self.0.input.borrow_mut();
        let room = (INPUT_BYTES_MAX - input.len()).min(text.len());
        let taken = text.floor_char_boundary(room);
        input.extend(&text.as_bytes()[..taken]);
        drop(input);
        self.count(|report| report.dropped_bytes += (text.len() - taken) as f64);
        self.wake_readers();
    }

    /// No more will be typed.
    pub fn close(&self) {
        self.0.closed.set(true);
        self.wake_readers();
    }

    fn wake_readers(&self) {
        let readers = self.0.readers.take();
        readers.into_iter().for_each(Waker::wake);
    }

    /// Waits for input: false at its end.
    async fn wait_for_input(&self) -> bool {
        poll_fn(|cx| {
            if !self.0.input.borrow().is_empty() {
                return Poll::Ready(true);
            }
            if self.0.closed.get() {
                return Poll::Ready(false);
            }
            let mut readers = self.0.readers.borrow_mut();
            if !readers.iter().any(|reader| reader.will_wake(cx.waker())) {
                readers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// The first bytes of input that nobody has taken, at most `most`, and their place in all that was ever typed.
    fn peek_input(&self, most: usize) -> (u64, Vec<u8>) {
        let input = self.0.input.borrow();
        (self.0.taken.get(), input.iter().take(most).copied().collect())
    }

    /// Takes `amount` bytes, if those from `place` on are still there.
    fn take_input(&self, place: u64, amount: usize) {
        if self.0.taken.get() == place {
            let taken = self.0.input.borrow_mut().drain(..amount).count();
            self.0.taken.set(place + taken as u64);
            self.count(|report| report.read_bytes += taken as f64);
        }
    }
}

/// The unikernel's handle on its console, which is an element of the window, or the page's if it runs in a worker.
///
/// Up to 64 KiB of what is typed wait for a reader; the page has an input line, so that text comes in lines. In a worker up to
/// 256 KiB of output wait for the page.
pub struct PageConsole {
    terminal: Terminal,
    /// What `fill_buf` has shown, and its place in all that was typed. It stays in the terminal until it is consumed, for
    /// whoever reads next.
    peeked: Vec<u8>,
    place: u64,
}

/// The bytes that `fill_buf` shows at once, at most.
const PEEK_BYTES: usize = 1024;

/// There is no error of a console: what cannot be shown is dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleGone {}

impl fmt::Display for ConsoleGone {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for ConsoleGone {}

impl io::Error for ConsoleGone {
    fn kind(&self) -> io::ErrorKind {
        match *self {}
    }
}

impl Clone for PageConsole {
    fn clone(&self) -> Self {
        self.terminal.console()
    }
}

impl ErrorType for PageConsole {
    type Error = ConsoleGone;
}

impl Read for PageConsole {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ConsoleGone> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let shown = self.fill_buf().await?;
        let taken = shown.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&shown[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl BufRead for PageConsole {
    async fn fill_buf(&mut self) -> Result<&[u8], ConsoleGone> {
        self.peeked.clear();
        if self.terminal.wait_for_input().await {
            (self.place, self.peeked) = self.terminal.peek_input(PEEK_BYTES);
        }
        Ok(&self.peeked)
    }

    fn consume(&mut self, amount: usize) {
        let amount = amount.min(self.peeked.len());
        self.terminal.take_input(self.place, amount);
        self.peeked.drain(..amount);
        self.place += amount as u64;
    }
}

impl Write for PageConsole {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ConsoleGone> {
        self.terminal.write(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), ConsoleGone> {
        let inner = &self.terminal.0;
        poll_fn(|cx| {
            if !inner.page_busy.get() {
                return Poll::Ready(());
            }
            let mut flushers = inner.flushers.borrow_mut();
            if !flushers.iter().any(|flusher| flusher.will_wake(cx.waker())) {
                flushers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
        Ok(())
    }
}

impl Console for PageConsole {}
