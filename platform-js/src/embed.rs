//! A domain under Rust's control: for embedders that draw the console themselves, and for tests.

use std::rc::Rc;

use mirage_sig::Shutdown;
use web_sys::MessagePort;

use crate::console::{Screen, Terminal};
use crate::domain::{App, Domain};
use crate::platform::Browser;

/// A unikernel whose console is a function. Dropping the handle lets it run on.
pub struct Embedded(Rc<Domain>);

impl Embedded {
    /// Boots `app` with arguments spelled as in a URL's query. `screen` gets the console's text, one piece at a time: the next
    /// one comes after [`drained`](Self::drained).
    pub fn boot(app: App, args: &str, screen: impl Fn(&str) + 'static) -> Self {
        Self::boot_on(app, args, None, screen)
    }

    /// The same with a cable to the page's switch, for the network that the argument `net` names.
    pub fn boot_on(app: App, args: &str, cable: Option<MessagePort>, screen: impl Fn(&str) + 'static) -> Self {
        let terminal = Terminal::new(Screen::Page(Box::new(screen)));
        Self(Domain::boot(app, args, cable, terminal, Box::new(|_| ())))
    }

    /// The platform that it runs on.
    pub fn platform(&self) -> Browser {
        Browser::new(self.0.clone())
    }

    /// Types text into its console.
    pub fn input(&self, text: &str) {
        self.0.terminal.typed(text);
    }

    /// Says that no more will be typed.
    pub fn close_input(&self) {
        self.0.terminal.close();
    }

    /// Says that the screen can take the next piece.
    pub fn drained(&self) {
        self.0.terminal.drained();
    }

    /// Holds it: none of its tasks runs until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.0.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.0.resume();
    }

    /// Asks it to end.
    pub fn request_shutdown(&self, kind: Shutdown) {
        self.0.request_shutdown(kind);
    }

    /// Ends it at once.
    pub fn destroy(&self) {
        self.0.destroy();
    }

    /// Whether it has come to an end, of whatever kind.
    pub fn has_ended(&self) -> bool {
        self.0.state().has_ended()
    }
}
