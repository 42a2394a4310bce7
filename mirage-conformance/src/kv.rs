//! Key-value stores: [`KvRo`] and [`KvRw`].
//!
//! Three suites: [`ro_suite`] for a store that can only be read and whose values are known, [`rw_suite`] for one that can
//! be written, and [`shared_suite`] for one that several programs can open at the same time.
//!
//! Not asserted, as it cannot be seen from outside:
//! - that a buffer is the caller's own: `Vec` says so already;
//! - that an error's text tells the remedy: only that it names the key;
//! - durability beyond what [`KvRig::crash`] can act out;
//! - `Refused`, `Blocked`, `Gone` and `Corrupt`, which somebody outside has to bring about.
//!
//! Left open by the contract, so that either is accepted: which error comes first where two are due, whether a write that was
//! dropped took effect, what a dictionary that is removed or renamed has to do with conflicts over the keys in it, and whether
//! removing what another has removed is one.

mod atomic;
mod conflict;
mod fixture;
mod read;
mod rename;
mod write;

use alloc::string::ToString;
use core::fmt::Display;

use mirage_sig::{KvRo, KvRw, WallClock};

use crate::{Holds, Verdict, Violation};

/// What the suites need beside a store: the power to open it again.
///
/// An async closure that opens the store is a rig already: `kv::rw_suite(&p, &async || p.kv("suite").await)`.
pub trait KvRig {
    /// The store's type.
    type Kv: KvRw;
    /// Why it could not be opened.
    type Error: Display;

    /// Opens the store, always the same one, anew: as another program would that shares nothing with the one before but
    /// the store. One in memory gives a clone.
    async fn open(&self) -> Result<Self::Kv, Self::Error>;

    /// Acts out a crash of the machine, as well as it can: what is not durable is lost, and handles from before are not
    /// used any more. By default nothing, so that [`open`](Self::open) alone has to do.
    async fn crash(&self) {}

    /// Makes the store full, so that no value longer than it was fits, or makes room again. Whether it can do so.
    fn set_full(&self, _full: bool) -> bool {
        false
    }
}

impl<F, K, E> KvRig for F
where
    F: AsyncFn() -> Result<K, E>,
    K: KvRw,
    E: Display,
{
    type Kv = K;
    type Error = E;

    async fn open(&self) -> Result<K, E> {
        self().await
    }
}

async fn open<R: KvRig>(rig: &R) -> Result<R::Kv, Violation> {
    rig.open().await.map_err(|error| error.to_string()).holds("The key-value store is made empty where there was none")
}

/// Asserts the contract of a store that can be read, and in which there are just these keys, as text, with their values.
pub async fn ro_suite<K: KvRo>(kv: &K, contents: &[(&str, &[u8])]) -> Verdict {
    let contents = read::Contents::new(contents)?;
    read::values(kv, &contents).await?;
    read::parts(kv, &contents).await?;
    read::dictionaries(kv, &contents).await?;
    read::nothing(kv, &contents).await?;
    read::dropped(kv, &contents).await
}

/// Asserts the contract of a store that can be written. What was in it is removed. A store that never answers makes it wait for
/// ever, as does one in the other suites here: run it with a limit.
pub async fn rw_suite<C: WallClock, R: KvRig>(clock: &C, rig: &R) -> Verdict {
    let kv = open(rig).await?;
    write::set(&kv).await?;
    write::kinds_of_keys(&kv).await?;
    for contents in fixture::STORES {
        fixture::fill(&kv, contents).await?;
        ro_suite(&kv, contents).await?;
    }
    write::last_modified(&kv, clock).await?;
    write::root(&kv).await?;
    write::refused_sets(&kv).await?;
    write::set_partial(&kv).await?;
    write::update(&kv).await?;
    write::remove(&kv).await?;
    rename::renames(&kv).await?;
    rename::refused_renames(&kv).await?;
    atomic::batches(&kv).await?;
    atomic::refused_batches(&kv).await?;
    atomic::order(&kv).await?;
    atomic::never_part_of_a_write(&kv).await?;
    atomic::dropped(&kv).await?;
    atomic::full(&kv, rig).await?;
    drop(kv);
    atomic::durable(rig).await?;
    atomic::crashed(rig).await
}

/// Asserts what the contract says about several programs that open one store. What was in it is removed.
///
/// The handles that the rig opens must know nothing of each other; clones of one handle are not meant here.
pub async fn shared_suite<R: KvRig>(rig: &R) -> Verdict {
    let (ours, theirs) = (open(rig).await?, open(rig).await?);
    conflict::seen_by_both(&ours, &theirs).await?;
    conflict::conflicts(&ours, &theirs).await?;
    conflict::no_conflict(&ours, &theirs).await?;
    conflict::whole_batches(&ours, &theirs).await?;
    conflict::updates(&ours, &theirs).await
}
