//! The console: [`Console`].
//!
//! A console cannot be tested from one side, so a [`ConsoleRig`] types and looks at the screen.
//!
//! Not asserted, as it cannot be seen from outside: that bytes which are typed and are not UTF-8 become U+FFFD (a rig types
//! text), which output a console drops that cannot keep up, and that it never waits for the network, beyond that it does
//! not wait while nobody reads or looks.

mod input;
mod output;

use alloc::string::String;

use mirage_sig::{Console, Runtime};

use crate::Verdict;

/// The person at the console.
pub trait ConsoleRig {
    /// The console's type.
    type Console: Console + Clone + 'static;

    /// A handle of the console, always of the same one.
    fn console(&self) -> Self::Console;

    /// Types `text`, which is one or more whole lines, each with its `\n`. Returns when all of it has arrived at the
    /// console, or was dropped there.
    async fn type_text(&self, text: &str);

    /// What the screen shows, from its top: lines with a `\n` between them. It is asked for after a `flush`. Lines that
    /// have scrolled off may be missing, and what was there before the suite may be there.
    async fn screen(&self) -> String;

    /// Takes the console away, so that reading comes to its end of file. Whether it can do so; the last thing it is told.
    async fn close(&self) -> bool {
        false
    }

    /// How many bytes are kept while nobody reads, or a few more, if it is few enough to try; else `None`.
    fn input_bound(&self) -> Option<usize> {
        None
    }
}

/// Asserts the contract of a console. What was typed before must have been read.
pub async fn suite<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    input::waits_for_a_byte(runtime, rig).await?;
    input::empty_buffers(runtime, rig).await?;
    input::order(runtime, rig).await?;
    input::buffered(runtime, rig).await?;
    input::lines(runtime, rig).await?;
    input::each_to_one_reader(runtime, rig).await?;
    input::dropped_reads(runtime, rig).await?;
    input::bounded(runtime, rig).await?;
    output::writes(runtime, rig).await?;
    output::never_waits(runtime, rig).await?;
    output::not_mixed(runtime, rig).await?;
    output::utf8(runtime, rig).await?;
    output::dropped_writes(runtime, rig).await?;
    input::end(runtime, rig).await
}
