//! How long a suite waits, for what should come and for what should not.

use alloc::format;
use core::pin::{Pin, pin};
use core::time::Duration;

use mirage_sig::Runtime;

use crate::poll::{peek, poll_once};
use crate::{Verdict, Violation};

/// What has not come after this will not come. No suite waits that long for an implementation that keeps its contract.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What has not come after this waits for something else.
pub const MOMENT: Duration = Duration::from_millis(5);

/// The output of `work`, which `clause` says will come.
pub async fn within<R: Runtime, F: Future>(runtime: &R, clause: &'static str, work: F) -> Result<F::Output, Violation> {
    let output = runtime.timeout(PATIENCE, work).await;
    output.map_err(|_| Violation { clause, saw: format!("waits, and did so for {} s", PATIENCE.as_secs()) })
}

/// The output of `work`, which `clause` says is there without waiting.
pub async fn at_once<F: Future>(clause: &'static str, work: F) -> Result<F::Output, Violation> {
    poll_once(work).await.ok_or_else(|| Violation { clause, saw: "waits".into() })
}

/// Asserts that `work` waits, as `clause` says. It is not dropped, and can be polled on.
pub async fn waits<R: Runtime, F: Future>(runtime: &R, clause: &'static str, mut work: Pin<&mut F>) -> Verdict {
    let violation = || Err(Violation { clause, saw: "does not wait".into() });
    if peek(work.as_mut()).await.is_some() {
        return violation();
    }
    match runtime.timeout(MOMENT, work).await {
        Ok(_) => violation(),
        Err(_) => Ok(()),
    }
}

/// The output of `work`, which waits, as `clause` says, until `cause` has come.
pub async fn caused<R: Runtime, F: Future>(
    runtime: &R,
    clause: &'static str,
    work: F,
    cause: impl Future<Output = ()>,
) -> Result<F::Output, Violation> {
    let mut work = pin!(work);
    waits(runtime, clause, work.as_mut()).await?;
    cause.await;
    within(runtime, clause, work).await
}

/// Asserts that `work` waits, as `clause` says, and drops it there.
pub async fn waits_dropped<R: Runtime, F: Future>(runtime: &R, clause: &'static str, work: F) -> Verdict {
    waits(runtime, clause, pin!(work)).await
}
