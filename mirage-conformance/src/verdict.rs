//! What a suite says about an implementation.

use alloc::format;
use alloc::string::String;
use core::fmt::{self, Debug, Display};

/// What a suite found: nothing, or the first sentence of the contract that does not hold.
pub type Verdict = Result<(), Violation>;

/// A sentence of a contract that an implementation does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The sentence, in the contract's own words as far as they fit in a line.
    pub clause: &'static str,
    /// What was seen instead.
    pub saw: String,
}

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the contract says: {}\nthe implementation: {}", self.clause, self.saw)
    }
}

impl core::error::Error for Violation {}

/// Asserts `clause`, which holds if `held`; `saw` tells what was seen instead.
pub fn ensure(held: bool, clause: &'static str, saw: impl FnOnce() -> String) -> Verdict {
    if held { Ok(()) } else { Err(Violation { clause, saw: saw() }) }
}

/// Asserts `clause`, which holds if what was seen is what is expected.
pub fn equal<T: Debug + PartialEq<U>, U: Debug>(seen: T, expected: U, clause: &'static str) -> Verdict {
    ensure(seen == expected, clause, || format!("gave {}, where {} was expected", brief(&seen), brief(&expected)))
}

/// The text of a value for a message: whole if it is short, else its beginning and its end.
fn brief(value: &impl Debug) -> String {
    const SHOWN: usize = 400;
    let text = format!("{value:?}");
    if text.len() <= 2 * SHOWN {
        return text;
    }
    let head: String = text.chars().take(SHOWN).collect();
    let tail: String = text.chars().rev().take(SHOWN).collect::<String>().chars().rev().collect();
    format!("{head} … {tail}")
}

/// Results that a contract speaks about.
pub trait Holds<T, E> {
    /// The success that `clause` promises.
    fn holds(self, clause: &'static str) -> Result<T, Violation>
    where
        E: Display;

    /// The error that `clause` promises.
    fn fails(self, clause: &'static str) -> Result<E, Violation>
    where
        T: Debug;
}

impl<T, E> Holds<T, E> for Result<T, E> {
    fn holds(self, clause: &'static str) -> Result<T, Violation>
    where
        E: Display,
    {
        self.map_err(|error| Violation { clause, saw: format!("failed: {error}") })
    }

    fn fails(self, clause: &'static str) -> Result<E, Violation>
    where
        T: Debug,
    {
        match self {
            Ok(value) => Err(Violation { clause, saw: format!("succeeded with {}", brief(&value)) }),
            Err(error) => Ok(error),
        }
    }
}
