//! What is typed.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::pin::pin;
use core::time::Duration;

use mirage_sig::{BufRead, Console, Read, Runtime, Task};

use super::ConsoleRig;
use crate::patience::{MOMENT, at_once, caused, waits, waits_dropped, within};
use crate::poll::poll_times;
use crate::{Holds, Verdict, Violation, ensure, equal};

const WAITS: &str = "Reading waits for at least one byte";
const ORDER: &str = "Bytes arrive in the order in which they were typed, and all of them";
const ONE_READER: &str = "Each byte that is typed goes to one reader";
const KEPT: &str = "What comes while nobody reads is kept";
const BOUND: &str = "Beyond the bound, the newest of what is typed is dropped";
const EMPTY: &str = "An empty buffer gives Ok(0) at once, also when there is something to read";
const DROPPED: &str = "A `read` or `fill_buf` that is dropped has taken no byte";
const CONSUME: &str = "`consume` takes that many bytes from the buffer, and no others";
const LINE: &str = "`read_line` gives the next line, without its \\n or \\r\\n";
const CUT: &str = "A line of more than `max` bytes is cut there, and its rest is thrown away";
const END: &str = "End of file when the console is gone; after it every read is end of file";

/// Reads until `length` bytes have come.
async fn read_some<R: Runtime, C: Console>(
    runtime: &R,
    console: &mut C,
    length: usize,
    clause: &'static str,
) -> Result<String, Violation> {
    let mut text = Vec::new();
    let mut buffer = [0; 16];
    while text.len() < length {
        let want = buffer.len().min(length - text.len());
        let count = within(runtime, clause, console.read(&mut buffer[..want])).await?.holds(clause)?;
        ensure(0 < count && count <= want, clause, || format!("read gave {count} bytes into a buffer of {want}"))?;
        text.extend_from_slice(&buffer[..count]);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

pub async fn waits_for_a_byte<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let mut console = rig.console();
    let mut buffer = [0; 64];
    let count = caused(runtime, WAITS, console.read(&mut buffer), rig.type_text("one\n")).await?.holds(WAITS)?;
    ensure(count > 0, WAITS, || "read gave Ok(0) where nothing had ended".into())?;
    let rest = read_some(runtime, &mut console, 4 - count.min(4), ORDER).await?;
    equal(format!("{}{rest}", String::from_utf8_lossy(&buffer[..count])), "one\n", ORDER)?;

    let fill = async { console.fill_buf().await.map(<[u8]>::len) };
    let count = caused(runtime, WAITS, fill, rig.type_text("two\n")).await?.holds(WAITS)?;
    ensure(count > 0, WAITS, || "fill_buf gave nothing where nothing had ended".into())?;
    equal(read_some(runtime, &mut console, 4, ORDER).await?, "two\n", ORDER)
}

pub async fn empty_buffers<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let mut console = rig.console();
    equal(at_once(EMPTY, console.read(&mut [])).await?.holds(EMPTY)?, 0, EMPTY)?;
    rig.type_text("x\n").await;
    equal(at_once(EMPTY, console.read(&mut [])).await?.holds(EMPTY)?, 0, EMPTY)?;
    let mut buffer = [0; 1];
    for expected in *b"x\n" {
        equal(within(runtime, KEPT, console.read(&mut buffer)).await?.holds(KEPT)?, 1, KEPT)?;
        equal(buffer, [expected], KEPT)?;
    }
    Ok(())
}

pub async fn order<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let mut console = rig.console();
    let mut typed = String::new();
    for number in 0..10 {
        let line = format!("line {number}: \u{e4}\u{20ac}\u{1f600}\n");
        rig.type_text(&line).await;
        typed.push_str(&line);
    }
    equal(read_some(runtime, &mut console, typed.len(), KEPT).await?, typed, ORDER)?;
    rig.type_text("several\nlines\n").await;
    equal(read_some(runtime, &mut console, 14, KEPT).await?, "several\nlines\n", ORDER)
}

pub async fn buffered<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let mut console = rig.console();
    rig.type_text("abcdef\n").await;
    let mut seen = Vec::new();
    while seen.len() < 7 {
        let before = within(runtime, CONSUME, console.fill_buf()).await?.holds(CONSUME)?.to_vec();
        ensure(!before.is_empty(), WAITS, || "fill_buf gave nothing where nothing had ended".into())?;
        let again = within(runtime, CONSUME, console.fill_buf()).await?.holds(CONSUME)?.to_vec();
        ensure(again.starts_with(&before), CONSUME, || format!("fill_buf gave {before:?}, then {again:?}"))?;
        console.consume(1);
        seen.push(before[0]);
    }
    equal(seen, b"abcdef\n", CONSUME)?;

    // What was looked at and not consumed is what `read` gives.
    rig.type_text("ghi\n").await;
    within(runtime, WAITS, console.fill_buf()).await?.holds(CONSUME)?;
    console.consume(1);
    equal(read_some(runtime, &mut console, 3, CONSUME).await?, "hi\n", CONSUME)
}

pub async fn each_to_one_reader<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    // Two wait at the same time, in tasks of their own, and take what comes.
    let taken = Rc::new(RefCell::new(Vec::new()));
    let readers = [(); 2].map(|()| {
        let (mut console, taken) = (rig.console(), taken.clone());
        runtime.spawn(async move {
            let mut buffer = [0; 4];
            while let Ok(count) = console.read(&mut buffer).await {
                taken.borrow_mut().extend_from_slice(&buffer[..count]);
            }
        })
    });
    for line in ["0\n", "1\n", "2\n", "3\n", "4\n", "5\n", "6\n", "7\n", "8\n", "9\n"] {
        rig.type_text(line).await;
    }
    let all = async {
        while taken.borrow().len() < 20 {
            runtime.sleep(Duration::from_millis(1)).await;
        }
    };
    within(runtime, KEPT, all).await?;
    runtime.sleep(MOMENT).await;
    readers.iter().for_each(Task::cancel);
    let mut taken = taken.take();
    taken.sort_unstable();
    equal(String::from_utf8_lossy(&taken), "\n\n\n\n\n\n\n\n\n\n0123456789", ONE_READER)?;

    // What one reader has not consumed is there for the next.
    let (mut first, mut second) = (rig.console(), rig.console());
    rig.type_text("first\nsecond\nthird\n").await;
    for (console, expected) in [(&mut first, "first"), (&mut second, "second")] {
        let line = within(runtime, ONE_READER, console.read_line(100)).await?.holds(ONE_READER)?;
        equal(line.as_deref(), Some(expected), ONE_READER)?;
    }
    drop((first, second));
    let line = within(runtime, ONE_READER, rig.console().read_line(100)).await?.holds(ONE_READER)?;
    equal(line.as_deref(), Some("third"), ONE_READER)
}

pub async fn dropped_reads<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let mut console = rig.console();
    let mut buffer = [0; 16];
    // Dropped before anything came.
    waits_dropped(runtime, WAITS, console.read(&mut buffer)).await?;
    waits_dropped(runtime, WAITS, async { console.fill_buf().await.map(drop) }).await?;
    rig.type_text("1\n").await;
    equal(read_some(runtime, &mut console, 2, DROPPED).await?, "1\n", DROPPED)?;

    // Dropped after something came, and before the reader had its turn.
    for filling in [false, true] {
        let mut gone = rig.console();
        {
            let mut work = pin!(async {
                if filling { gone.fill_buf().await.map(<[u8]>::len) } else { gone.read(&mut buffer).await }
            });
            waits(runtime, WAITS, work.as_mut()).await?;
            rig.type_text("2\n").await;
        }
        equal(read_some(runtime, &mut console, 2, DROPPED).await?, "2\n", DROPPED)?;
    }

    // Dropped in the middle of its work, after some polls.
    for polls in 1..4 {
        rig.type_text("abc\n").await;
        let taken = poll_times(console.read(&mut buffer), polls).await.transpose().holds(DROPPED)?.unwrap_or(0);
        let rest = read_some(runtime, &mut console, 4 - taken.min(4), DROPPED).await?;
        equal(format!("{}{rest}", String::from_utf8_lossy(&buffer[..taken])), "abc\n", DROPPED)?;
        rig.type_text("d\n").await;
        drop(poll_times(console.fill_buf(), polls).await);
        equal(read_some(runtime, &mut console, 2, DROPPED).await?, "d\n", DROPPED)?;
    }

    // Another reader waits meanwhile: the byte goes to it.
    let (mut other, mut gone) = (rig.console(), rig.console());
    let waiting = runtime.spawn(async move { other.read_line(9).await.map_err(drop) });
    {
        let mut read = pin!(gone.read(&mut buffer));
        waits(runtime, WAITS, read.as_mut()).await?;
        rig.type_text("3\n").await;
    }
    let line = within(runtime, DROPPED, waiting).await?;
    equal(line, Ok(Ok(Some("3".into()))), DROPPED)
}

pub async fn lines<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let mut console = rig.console();
    for (typed, max, expected, clause) in [
        ("hello\n", 80, "hello", LINE),
        ("\n", 80, "", LINE),
        ("dos\r\n", 80, "dos", LINE),
        ("exact\n", 5, "exact", LINE),
        ("exact\r\n", 5, "exact", LINE),
        ("too long for it\n", 8, "too long", CUT),
        ("nothing\n", 0, "", CUT),
        ("after\n", usize::MAX, "after", CUT),
    ] {
        rig.type_text(typed).await;
        let line = within(runtime, clause, console.read_line(max)).await?.holds(clause)?;
        equal(line.as_deref(), Some(expected), clause)?;
    }
    Ok(())
}

pub async fn bounded<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let Some(bound) = rig.input_bound() else { return Ok(()) };
    let mut console = rig.console();
    let mut typed = String::new();
    while typed.len() < 2 * bound {
        let line = format!("{}\n", typed.len());
        rig.type_text(&line).await;
        typed.push_str(&line);
    }
    let mut kept = vec![0; typed.len() + 1];
    let mut length = 0;
    while let Ok(read) = runtime.timeout(MOMENT, console.read(&mut kept[length..])).await {
        length += read.holds(BOUND)?;
    }
    kept.truncate(length);
    ensure(0 < length && length <= bound, BOUND, || format!("{length} bytes were kept, where the bound is {bound}"))?;
    ensure(typed.as_bytes().starts_with(&kept), BOUND, || "what was kept is not the oldest".into())?;
    rig.type_text("again\n").await;
    let line = within(runtime, BOUND, read_some(runtime, &mut console, 6, BOUND)).await??;
    equal(line, "again\n", BOUND)
}

pub async fn end<R: Runtime, G: ConsoleRig>(runtime: &R, rig: &G) -> Verdict {
    let (mut console, mut other) = (rig.console(), rig.console());
    let waiting = runtime.spawn(async move { other.read(&mut [0; 8]).await.map_err(drop) });
    runtime.sleep(MOMENT).await;
    if !rig.close().await {
        waiting.cancel();
        return Ok(());
    }
    equal(within(runtime, END, waiting).await?, Ok(Ok(0)), END)?;
    for _ in 0..3 {
        equal(within(runtime, END, console.read(&mut [0; 8])).await?.holds(END)?, 0, END)?;
        equal(within(runtime, END, console.fill_buf()).await?.holds(END)?, b"", END)?;
        let line = within(runtime, END, console.read_line(80)).await?.holds(END)?;
        equal(line, None, "`read_line` gives None at end of file")?;
    }
    equal(at_once(EMPTY, console.read(&mut [])).await?.holds(EMPTY)?, 0, EMPTY)
}
