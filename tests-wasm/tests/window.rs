//! platform-js in the window.
#![cfg(target_arch = "wasm32")]
// A test that fails should say where, and unwrap does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use mirage_sig::Platform;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// The console as an element of the page.
#[path = "window/dom.rs"]
mod dom;

/// An application that this crate links, as its own bundle would.
mod application {
    use mirage_sig::{Arg, ArgKind, Console, Failure, Platform};

    pub const ARGS: &[Arg] = &[Arg { name: "colour", kind: ArgKind::OneOf(&["red", "green"]), help: "A colour." }];

    pub async fn start<P: Platform>(p: P) -> Result<(), Failure> {
        p.console().line(&format!("{} in {}", p.name(), p.args().text("colour").unwrap_or("grey"))).await?;
        Ok(())
    }

    platform_js::unikernel!("application", start, ARGS);
}

#[wasm_bindgen_test]
async fn an_application_of_another_crate() {
    let seen = dom::run_in_the_window(application::boot, "colour=green").await;
    assert_eq!(seen, ("halted".into(), vec!["application in green".into()]));
    let (state, lines) = dom::run_in_the_window(application::boot, "colour=gren").await;
    assert_eq!(state, "failed");
    assert!(lines[0].contains("expected one of red, green; did you mean \"green\"?"), "{lines:?}");
    assert!(application::boot(JsValue::NULL).is_err(), "there must be an element");
}

#[wasm_bindgen_test]
async fn console_element() {
    dom::console_element().await;
}

#[wasm_bindgen_test]
async fn console_element_for_a_page() {
    dom::console_element_for_a_page().await;
}

#[wasm_bindgen_test]
async fn no_disk_in_the_window() {
    let failure = common::Domain::idle().platform().block("disk").await.expect_err("there is none").to_string();
    assert!(failure.contains("dedicated worker"), "{failure}");
}
