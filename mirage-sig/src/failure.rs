use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::error::Error;
use core::fmt;

/// Why a unikernel, or a device it asked for, could not go on: for people to read, not for code to match.
///
/// Any error becomes one by `?`, and [`context`](Context::context) says what was being done:
///
/// ```
/// use mirage_sig::{Context, Failure};
///
/// fn parse(text: &str) -> Result<u16, Failure> {
///     text.parse::<u16>().context("port")
/// }
///
/// assert_eq!(parse("http").unwrap_err().to_string(), "port: invalid digit found in string");
/// ```
#[derive(Debug)]
pub struct Failure {
    what: Cow<'static, str>,
    cause: Option<Box<dyn Error>>,
}

impl Failure {
    /// A failure without a cause. `what` names the thing that failed, and how to mend it.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), cause: None }
    }

    /// The error behind it, for code that must know after all.
    pub fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref()
    }
}

/// What failed, and after colons every cause, down to the first.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let mut separator = if self.what.is_empty() { "" } else { ": " };
        let mut cause = self.cause();
        while let Some(error) = cause {
            write!(f, "{separator}{error}")?;
            separator = ": ";
            cause = error.source();
        }
        Ok(())
    }
}

// As `Failure` is no `Error` itself, this does not overlap with the conversion of a type to itself.
impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { what: Cow::Borrowed(""), cause: Some(Box::new(error)) }
    }
}

/// Says what was being done when an error came.
pub trait Context<T> {
    /// The same result, with `what` in front of the error's text.
    fn context(self, what: impl Into<Cow<'static, str>>) -> Result<T, Failure>;
}

impl<T, E: Error + 'static> Context<T> for Result<T, E> {
    fn context(self, what: impl Into<Cow<'static, str>>) -> Result<T, Failure> {
        self.map_err(|error| Failure { what: what.into(), cause: Some(Box::new(error)) })
    }
}
