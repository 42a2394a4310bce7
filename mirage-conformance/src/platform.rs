//! What a platform is beside its devices: [`Platform`].
//!
//! The devices have suites of their own; here it is asked only that they are made as promised. Not asserted: that arguments
//! were checked before the start (`mirage-sig` tests that), that what is not asked for is not set up, and that a device that a
//! platform cannot have is a failure that says so: platforms differ in what they have.

use alloc::format;
use core::time::Duration;

use mirage_sig::{ArgKind, Console, Context, Key, KvRo, KvRw, Platform, Shutdown};

use crate::patience::{at_once, waits_dropped, within};
use crate::poll::poll_once;
use crate::{Holds, Verdict, ensure, equal};

const NAME: &str = "`name` is the argument `name`, or what the image is called";
const ARGS: &str = "`args` are the arguments it was started with";
const CONSOLE: &str = "The console can be asked for as often as is convenient";
const CLONES: &str = "Clones of a platform are handles to the same thing";
const EMPTY: &str = "A key-value store is made empty where there was none";
const SAME: &str = "The same name is the same store";
const OTHER: &str = "Another name is another store";
const NO_TRACE: &str = "Dropping a future that makes a device leaves no device behind";
const WAITS: &str = "`shutdown_requested` waits for a request to end";
const AGAIN: &str = "Asked again after a request came, it answers at once";
const NOT_LOST: &str = "A request is not lost by dropping the future";

/// Who started the unikernel.
pub trait PlatformRig {
    /// The platform's type.
    type Platform: Platform;

    /// The platform, a clone of always the same one.
    fn platform(&self) -> Self::Platform;

    /// The arguments that it was given.
    fn given(&self) -> &[(&str, &str)];

    /// Asks the unikernel to end. The last thing it is told.
    async fn request_shutdown(&self, request: Shutdown);

    /// Whether it has key-value stores.
    fn has_kv(&self) -> bool {
        true
    }
}

/// Asserts the contract of a platform.
pub async fn suite<G: PlatformRig>(rig: &G) -> Verdict {
    let p = rig.platform();
    names(&p, rig.given())?;
    consoles(&p).await?;
    clones(&p).await?;
    if rig.has_kv() {
        stores(&p).await?;
    }
    shutdown(&p, rig).await
}

fn names<P: Platform>(p: &P, given: &[(&str, &str)]) -> Verdict {
    ensure(ArgKind::Name.accepts(p.name()), NAME, || format!("gave {:?}", p.name()))?;
    for (name, value) in given {
        equal(p.args().text(name), Some(*value), ARGS)?;
        if *name == "name" {
            equal(p.name(), *value, NAME)?;
        }
    }
    equal(p.args().iter().count(), given.len(), ARGS)
}

async fn consoles<P: Platform>(p: &P) -> Verdict {
    for number in 0..3 {
        let line = format!("console number {number}");
        within(p, CONSOLE, async { p.console().line(&line).await.context("console").holds(CONSOLE) }).await??;
    }
    Ok(())
}

async fn clones<P: Platform>(p: &P) -> Verdict {
    let clone = p.clone();
    equal(clone.name(), p.name(), CLONES)?;
    let before = p.now();
    let theirs = clone.now();
    ensure(before <= theirs && theirs <= p.now(), CLONES, || format!("at {before}, a clone's clock showed {theirs}"))?;
    let inner = clone.clone();
    let task = clone.spawn(async move {
        inner.sleep(Duration::from_millis(1)).await;
        7
    });
    equal(within(p, CLONES, task).await?, Ok(7), CLONES)
}

async fn stores<P: Platform>(p: &P) -> Verdict {
    // Names that no run before has used.
    let [one, two] = ["one", "two"].map(|name| format!("suite-{name}-{:x}", u64::from_ne_bytes(p.random())));
    drop(poll_once(p.kv(&one)).await);
    let kv = within(p, NO_TRACE, p.kv(&one)).await?.holds(NO_TRACE)?;
    equal(kv.list(&Key::ROOT).await.holds(EMPTY)?, [], EMPTY)?;
    let key = Key::new("key").holds(SAME)?;
    kv.set(&key, b"value").await.holds(SAME)?;
    let again = within(p, SAME, p.kv(&one)).await?.holds(SAME)?;
    equal(again.get(&key).await.holds(SAME)?, b"value", SAME)?;
    let other = within(p, EMPTY, p.kv(&two)).await?.holds(EMPTY)?;
    equal(other.exists(&key).await.holds(OTHER)?, None, OTHER)?;
    other.set(&key, b"other").await.holds(OTHER)?;
    equal(kv.get(&key).await.holds(OTHER)?, b"value", OTHER)?;
    for store in [kv, other] {
        store.remove(&Key::ROOT).await.holds(SAME)?;
    }
    Ok(())
}

async fn shutdown<P: Platform, G: PlatformRig<Platform = P>>(p: &P, rig: &G) -> Verdict {
    waits_dropped(p, WAITS, p.shutdown_requested()).await?;
    let clone = p.clone();
    let waiting = p.spawn(async move { clone.shutdown_requested().await });
    {
        // Dropped after the request has come, and before it had its turn.
        let mut dropped = core::pin::pin!(p.shutdown_requested());
        crate::patience::waits(p, WAITS, dropped.as_mut()).await?;
        rig.request_shutdown(Shutdown::Reboot).await;
    }
    equal(within(p, NOT_LOST, p.shutdown_requested()).await?, Shutdown::Reboot, NOT_LOST)?;
    equal(within(p, NOT_LOST, waiting).await?, Ok(Shutdown::Reboot), NOT_LOST)?;
    for p in [p.clone(), rig.platform()] {
        equal(at_once(AGAIN, p.shutdown_requested()).await?, Shutdown::Reboot, AGAIN)?;
    }
    Ok(())
}
