//! Every suite finds every mistake, and says which sentence of the contract it breaks.
//!
//! A file per signature: a fake in a wrapper that makes one mistake out of a list. Without a mistake, the wrapper is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

use std::fmt::Debug;

use mirage_conformance::Verdict;
use mirage_conformance::fakes::{FakeRuntime, Stuck};

mod block;
mod console;
mod flow;
mod http;
mod kv;
mod listener;
mod network;
mod platform;
mod random;
mod runtime;
mod stack;
mod udp;

/// Mistakes, each with the sentence that it breaks.
macro_rules! mistakes {
    ($($(#[$what:meta])* $mistake:ident => $clause:literal,)*) => {
        /// What can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mistake {
            $($(#[$what])* $mistake,)*
        }

        pub const MISTAKES: &[(Mistake, &str)] = &[$((Mistake::$mistake, $clause),)*];
    };
}
pub(crate) use mistakes;

/// Runs a suite once for each mistake, and once for none. `run` makes everything anew.
fn all_are_found<M: Copy + Debug>(
    mistakes: &[(M, &'static str)],
    run: impl Fn(&FakeRuntime, Option<M>) -> Result<Verdict, Stuck>,
) {
    assert_eq!(run(&FakeRuntime::new(), None), Ok(Ok(())), "without a mistake");
    let mut wrong = Vec::new();
    for (mistake, clause) in mistakes {
        match run(&FakeRuntime::new(), Some(*mistake)) {
            Ok(Err(violation)) if violation.clause == *clause => {}
            Ok(Err(violation)) => wrong.push(format!("{mistake:?} was found as another mistake:\n{violation}")),
            Ok(Ok(())) => wrong.push(format!("{mistake:?} was not found")),
            Err(stuck) => wrong.push(format!("{mistake:?} let the suite hang: {stuck}")),
        }
    }
    assert!(wrong.is_empty(), "of {} mistakes:\n{}", mistakes.len(), wrong.join("\n"));
}
