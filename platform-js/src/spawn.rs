//! Tasks: wasm-bindgen-futures polls them from the microtask queue, in the order in which they were woken.

use std::pin::Pin;

use mirage_sig::Spawn;
use wasm_bindgen_futures::spawn_local;

use crate::Browser;
use crate::domain::LocalFuture;

impl Spawn for Browser {
    fn spawn_boxed(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        self.domain().spawn(task);
    }
}

/// Runs `work` outside any domain: it goes on when that is paused or has ended. Boxed first, as what the executor puts around
/// a future is made again for each type of one.
pub(crate) fn detached(work: LocalFuture<()>) {
    spawn_local(work);
}
