//! platform-js in a dedicated worker.
#![cfg(target_arch = "wasm32")]
// A test that fails should say where, and unwrap does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use mirage_conformance::block::{self, BlockRig};
use mirage_sig::{Failure, Platform};
use platform_js::{Browser, Disk};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// A disk that is opened again by each part of the suite.
struct DiskRig(Browser);

impl BlockRig for DiskRig {
    type Block = Disk;
    type Error = Failure;

    async fn open(&self) -> Result<Disk, Failure> {
        self.0.block("suite").await
    }
}

/// Whether this browser has files of the origin's own here. Where it has not, a disk is refused in words.
async fn has_disks(test: &str) -> bool {
    let global = js_sys::global();
    let navigator = js_sys::Reflect::get(&global, &"navigator".into()).unwrap();
    if !js_sys::Reflect::get(&navigator, &"storage".into()).unwrap().is_undefined() {
        return true;
    }
    common::suites::left_out(&format!("{test}: this browser has no navigator.storage")).await;
    let failure = common::Domain::idle().platform().block("suite").await.expect_err("there is none").to_string();
    assert!(failure.contains("has no file system"), "{failure}");
    false
}

#[wasm_bindgen_test]
async fn disks() {
    if !has_disks("disks").await {
        return;
    }
    common::holds(block::suite(&DiskRig(common::Domain::idle().platform())).await);
}

#[wasm_bindgen_test]
async fn a_disk_that_is_in_use() {
    if !has_disks("a_disk_that_is_in_use").await {
        return;
    }
    let platform = common::Domain::idle().platform();
    let first = platform.block("disk").await.unwrap();
    let failure = platform.block("disk").await.expect_err("it is open once").to_string();
    assert!(failure.contains("another domain or tab uses it"), "{failure}");
    drop(first);
    assert!(platform.block("disk").await.is_ok());
}
