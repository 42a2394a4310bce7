//! Tasks: wasm-bindgen-futures polls them from the microtask queue, in the order in which they were woken.

use std::pin::Pin;

use mirage_sig::Spawn;

use crate::Browser;

impl Spawn for Browser {
    fn spawn_boxed(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        self.domain().spawn(task);
    }
}
