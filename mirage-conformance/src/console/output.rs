//! What is shown.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use mirage_sig::{Console, Runtime, Write};

use super::ConsoleRig;
use crate::patience::{at_once, within};
use crate::poll::yield_now;
use crate::{Holds, Verdict, ensure, equal};

const ALL: &str = "All of `buf` is taken by one call";
const FLUSH: &str = "`flush` resolves when all that was written has been handed to the screen";
const LINE: &str = "`line` prints the text and ends the line";
const NEVER_WAITS: &str = "Writing never waits for a person or for the network";
const NOT_MIXED: &str = "Calls from several tasks are not mixed within one buffer";
const UTF8: &str = "Bytes that are not UTF-8 are shown as U+FFFD; a character may be split between two writes";
const DROPPED: &str = "A `write` that is dropped before it was polled has written none";
const EMPTY: &str = "Writing an empty buffer gives Ok(0) at once";

/// Writes `parts`, one call each, and asserts that the screen shows `expected` and a line's end after it.
async fn shows<R: Runtime, G: ConsoleRig>(
    runtime: &R,
    rig: &G,
    parts: &[&[u8]],
    expected: &str,
    clause: &'static str,
) -> Verdict {
    let mut console = rig.console();
    for part in parts.iter().chain([&&b"\n"[..]]) {
        let count = within(runtime, NEVER_WAITS, console.write(part)).await?.holds(clause)?;
        equal(count, part.len(), ALL)?;
    }
    within(runtime, FLUSH, console.flush()).await?.holds(FLUSH)?;
    let screen = rig.screen().await;
    let shown = screen.split('\n').any(|line| line == expected);
    ensure(shown, clause, || {
        let last: Vec<_> = screen.trim_end().rsplit('\n').take(3).collect();
        format!("the screen has no line {expected:?}; its last lines, from the bottom, are {last:?}")
    })
}

pub async fn writes<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let mut console = rig.console();
    equal(at_once(EMPTY, console.write(&[])).await?.holds(EMPTY)?, 0, EMPTY)?;
    shows(runtime, rig, &[b"one call"], "one call", FLUSH).await?;
    shows(runtime, rig, &[b"", b"three", b" cal", b"ls"], "three calls", FLUSH).await?;
    let long = vec![b'w'; 3_000];
    shows(runtime, rig, &[&long], &"w".repeat(3_000), FLUSH).await?;

    within(runtime, LINE, console.line("a line")).await?.holds(LINE)?;
    within(runtime, LINE, console.line("")).await?.holds(LINE)?;
    shows(runtime, rig, &[b"not on that line"], "not on that line", LINE).await?;
    let screen = rig.screen().await;
    ensure(screen.contains("a line\n\nnot on that line"), LINE, || format!("the screen ends in {:?}", tail(&screen)))?;

    // Clones write to the same console, in the order of their calls.
    let mut handles = [console, rig.console()];
    for (handle, part) in [(0, "from "), (1, "several "), (0, "handles\n")] {
        let console: &mut G::Console = &mut handles[handle];
        within(runtime, NEVER_WAITS, console.write_all(part.as_bytes())).await?.holds(ALL)?;
    }
    shows(runtime, rig, &[], "from several handles", "Clones write to the same console").await
}

/// More than any screen holds, while nobody reads and nobody looks.
pub async fn never_waits<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let mut console = rig.console();
    let line = [&[b'-'; 99][..], b"\n"].concat();
    for _ in 0..1_500 {
        let count = within(runtime, NEVER_WAITS, console.write(&line)).await?.holds(NEVER_WAITS)?;
        equal(count, line.len(), ALL)?;
    }
    shows(runtime, rig, &[b"still here"], "still here", NEVER_WAITS).await
}

pub async fn not_mixed<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let texts = ["a", "b", "c"].map(|letter| format!("{}\n", letter.repeat(200)));
    let tasks = texts.clone().map(|text| {
        let mut console = rig.console();
        runtime.spawn(async move {
            for _ in 0..5 {
                if !console.write(text.as_bytes()).await.is_ok_and(|count| count == text.len()) {
                    return false;
                }
                yield_now().await;
            }
            true
        })
    });
    for task in tasks {
        equal(within(runtime, NEVER_WAITS, task).await?, Ok(true), ALL)?;
    }
    within(runtime, FLUSH, rig.console().flush()).await?.holds(FLUSH)?;
    let screen = rig.screen().await;
    for text in &texts {
        let count = screen.matches(text.as_str()).count();
        ensure(count == 5, NOT_MIXED, || {
            format!("of 5 lines of {:?} in one buffer each, {count} are on the screen in one piece", &text[..1])
        })?;
    }
    Ok(())
}

pub async fn utf8<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let table: [(&[&[u8]], &str); 6] = [
        (&["gr\u{fc}n \u{20ac} \u{1f600}".as_bytes()], "gr\u{fc}n \u{20ac} \u{1f600}"),
        (&[b"euro \xe2", b"\x82", b"\xac!"], "euro \u{20ac}!"),
        (&[b"face \xf0\x9f", b"\x98\x80"], "face \u{1f600}"),
        (&[b"bad \xff."], "bad \u{fffd}."),
        (&[b"cut \xe2\x82", b"x"], "cut \u{fffd}x"),
        (&[b"lone \x80\x80"], "lone \u{fffd}\u{fffd}"),
    ];
    for (parts, expected) in table {
        shows(runtime, rig, parts, expected, UTF8).await?;
    }
    Ok(())
}

pub async fn dropped_writes<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let mut console = rig.console();
    drop(console.write(b"never polled "));
    shows(runtime, rig, &[b"polled"], "polled", DROPPED).await?;
    let screen = rig.screen().await;
    ensure(!screen.contains("never polled"), DROPPED, || format!("the screen ends in {:?}", tail(&screen)))
}

/// The end of a text, for a message.
fn tail(screen: &str) -> &str {
    let start = screen.char_indices().rev().nth(120).map_or(0, |(at, _)| at);
    &screen[start..]
}
