//! A panic reaches the console and the page, with its message, its place in the source, and the stack.

use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::Once;

use wasm_bindgen::prelude::*;

use crate::domain::Domain;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = Error)]
    type JsStack;
    #[wasm_bindgen(constructor, js_class = "Error")]
    fn new() -> JsStack;
    #[wasm_bindgen(method, getter)]
    fn stack(this: &JsStack) -> Option<String>;
}

/// Frames of the stack that are shown on the console. The page is told all.
const FRAMES_MAX: usize = 8;

pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Whoever had a hook of his own, such as a test harness, still wants to know.
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            report(info);
            previous(info);
        }));
    });
}

fn report(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without a message").to_owned();
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let stack = JsStack::new().stack().unwrap_or_default();
    let Some(domain) = Domain::current() else {
        return console_error(&format!("panicked at {location}: {message}\n{stack}"));
    };
    let frames: String =
        frames_of_interest(&stack).take(FRAMES_MAX).map(|frame| format!("    {}\n", shortened(frame))).collect();
    domain.terminal.last_words(&format!("[error] panicked at {location}: {message}\n{frames}"));
    domain.crashed(message, location, stack);
}

/// The stack without the panic's own machinery at its top, as far as it can be told from names.
fn frames_of_interest(stack: &str) -> impl Iterator<Item = &str> {
    const OWN: [&str; 8] =
        ["Error", "__wbg_new", "__wbg_stack", "panic_hook", "JsStack", "rust_panic", "platform_js::panic", "panicking"];
    stack
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .skip_while(|line| OWN.iter().any(|own| position(line, own).is_some()))
}

/// Where `part` begins in `text`. The library's own search, which is fast where texts are long, is 2 kB of code.
fn position(text: &str, part: &str) -> Option<usize> {
    text.as_bytes().windows(part.len()).position(|window| window == part.as_bytes())
}

/// A frame with the file's name alone in place of its address.
fn shortened(frame: &str) -> String {
    match (position(frame, "http"), frame.rfind('/')) {
        (Some(address), Some(slash)) if address < slash => format!("{}{}", &frame[..address], &frame[slash + 1..]),
        _ => frame.to_owned(),
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(text: &str);
}
