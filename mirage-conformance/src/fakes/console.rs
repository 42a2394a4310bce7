use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::convert::Infallible;

use mirage_sig::{BufRead, Console, ErrorType, Read, Write};

use super::signal::Signal;
use crate::console::ConsoleRig;

/// A console whose person is the test: it [types](Self::type_text) and looks at the [screen](Self::screen).
///
/// - Reads are short: at most 3 bytes, or 7 for `fill_buf`.
/// - While nobody reads, 4,096 bytes are kept.
/// - What is written is handed to the screen by `flush`, or when somebody looks; the screen keeps the last 64 kB.
#[derive(Default)]
pub struct FakeConsole {
    person: Rc<Person>,
    /// What `fill_buf` has taken out of the queue, and `consume` not yet.
    held: Vec<u8>,
}

#[derive(Default)]
struct Person {
    typed: RefCell<VecDeque<u8>>,
    gone: Cell<bool>,
    /// Something was typed, or the console is gone.
    changed: Signal,
    written: RefCell<Vec<u8>>,
    screen: RefCell<VecDeque<u8>>,
}

impl FakeConsole {
    /// Bytes that are kept while nobody reads.
    pub const INPUT_MAX: usize = 4_096;
    const READ_MAX: usize = 3;
    const FILL_MAX: usize = 7;
    const SCREEN_MAX: usize = 65_536;

    /// A console with an empty screen.
    pub fn new() -> Self {
        Self::default()
    }

    /// Types `text`. What does not fit any more is dropped.
    pub fn type_text(&self, text: &str) {
        let mut typed = self.person.typed.borrow_mut();
        let room = Self::INPUT_MAX - typed.len().min(Self::INPUT_MAX);
        typed.extend(text.bytes().take(room));
        drop(typed);
        self.person.changed.notify();
    }

    /// Takes the console away. What was typed before can still be read.
    pub fn close(&self) {
        self.person.gone.set(true);
        self.person.changed.notify();
    }

    /// All that was written.
    pub fn screen(&self) -> String {
        self.hand_over();
        self.shown()
    }

    /// What the screen shows now, without what has not been handed to it yet.
    fn shown(&self) -> String {
        let mut screen = self.person.screen.borrow_mut();
        String::from_utf8_lossy(screen.make_contiguous()).into_owned()
    }

    fn hand_over(&self) {
        let mut screen = self.person.screen.borrow_mut();
        screen.extend(self.person.written.take());
        let over = screen.len().saturating_sub(Self::SCREEN_MAX);
        screen.drain(..over);
    }

    /// Waits for bytes and takes at most `max` of them; none at end of file.
    async fn take(&self, max: usize) -> Vec<u8> {
        let person = &self.person;
        let some = || {
            let mut typed = person.typed.borrow_mut();
            let count = typed.len().min(max);
            if count == 0 && !person.gone.get() { None } else { Some(typed.drain(..count).collect()) }
        };
        person.changed.until(some).await
    }

    /// Gives back to the queue what this handle holds, for whoever reads next.
    fn give_back(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let mut typed = self.person.typed.borrow_mut();
        for byte in self.held.drain(..).rev() {
            typed.push_front(byte);
        }
        drop(typed);
        self.person.changed.notify();
    }
}

impl Clone for FakeConsole {
    fn clone(&self) -> Self {
        Self { person: self.person.clone(), held: Vec::new() }
    }
}

impl Drop for FakeConsole {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl ErrorType for FakeConsole {
    type Error = Infallible;
}

impl Read for FakeConsole {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        self.give_back();
        if buffer.is_empty() {
            return Ok(0);
        }
        let bytes = self.take(buffer.len().min(Self::READ_MAX)).await;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl BufRead for FakeConsole {
    async fn fill_buf(&mut self) -> Result<&[u8], Infallible> {
        if self.held.is_empty() {
            self.held = self.take(Self::FILL_MAX).await;
        }
        Ok(&self.held)
    }

    fn consume(&mut self, count: usize) {
        self.held.drain(..count.min(self.held.len()));
        self.give_back();
    }
}

impl Write for FakeConsole {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Infallible> {
        self.person.written.borrow_mut().extend_from_slice(buffer);
        Ok(buffer.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        self.hand_over();
        Ok(())
    }
}

impl Console for FakeConsole {}

impl ConsoleRig for FakeConsole {
    type Console = Self;

    fn console(&self) -> Self {
        self.clone()
    }

    async fn type_text(&self, text: &str) {
        self.type_text(text);
    }

    async fn screen(&self) -> String {
        self.shown()
    }

    async fn close(&self) -> bool {
        self.close();
        true
    }

    fn input_bound(&self) -> Option<usize> {
        Some(Self::INPUT_MAX)
    }
}
