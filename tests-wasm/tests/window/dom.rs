//! The console as an element: the suite again, through the page's own input line and lines.

use std::cell::RefCell;
use std::rc::Rc;

use mirage_conformance::console::{self, ConsoleRig};
use mirage_sig::{Platform, Sleep};
use platform_js::{App, Browser, DomConsole, Domain, PageConsole, linked};
use wasm_bindgen::prelude::*;
use web_sys::{Element, Event, EventInit, HtmlInputElement};

use crate::common::holds;

thread_local! {
    static PLATFORM: RefCell<Option<Browser>> = const { RefCell::new(None) };
}

const KEEPING: App = App {
    name: "keeping",
    args: &[],
    start: |p| {
        PLATFORM.set(Some(p.clone()));
        Box::pin(async move {
            p.shutdown_requested().await;
            Ok(())
        })
    },
};

fn new_element() -> Element {
    let document = web_sys::window().unwrap().document().unwrap();
    let element = document.create_element("div").unwrap();
    document.body().unwrap().append_child(&element).unwrap();
    element
}

/// Waits until the page has been drawn, with all that was asked for until now.
async fn next_frame() {
    let mut frame = |resolve: js_sys::Function, _| {
        web_sys::window().unwrap().request_animation_frame(&resolve).unwrap();
    };
    wasm_bindgen_futures::JsFuture::from(js_sys::Promise::new(&mut frame)).await.unwrap();
}

fn type_into(element: &Element, text: &str) {
    let input: HtmlInputElement = element.query_selector("input").unwrap().unwrap().unchecked_into();
    for line in text.lines() {
        input.set_value(line);
        let options = EventInit::new();
        options.set_cancelable(true);
        let submit = Event::new_with_event_init_dict("submit", &options).unwrap();
        element.query_selector("form").unwrap().unwrap().dispatch_event(&submit).unwrap();
    }
}

fn lines(element: &Element) -> Vec<String> {
    let lines = element.query_selector_all(".mirage-line:not(.mirage-typed)").unwrap();
    (0..lines.length()).map(|at| lines.get(at).unwrap().text_content().unwrap()).collect()
}

/// Boots a bundle in a new element until it ends: its last state, and what it said.
pub async fn run_in_the_window(boot: fn(JsValue) -> Result<Domain, JsError>, args: &str) -> (String, Vec<String>) {
    let element = new_element();
    let options = js_sys::Object::new();
    js_sys::Reflect::set(&options, &"console".into(), &element).unwrap();
    js_sys::Reflect::set(&options, &"args".into(), &args.into()).unwrap();
    let domain = boot(options.into()).map_err(JsValue::from).unwrap();
    let status = wasm_bindgen_futures::JsFuture::from(domain.done()).await.unwrap();
    let state = js_sys::Reflect::get(&status, &"state".into()).unwrap().as_string().unwrap();
    let said = lines(&element);
    element.remove();
    (state, said)
}

/// A unikernel in the window.
struct Window {
    element: Element,
    domain: Domain,
    platform: Browser,
}

impl Window {
    async fn boot() -> Self {
        let element = new_element();
        let options = js_sys::Object::new();
        js_sys::Reflect::set(&options, &"console".into(), &element).unwrap();
        let domain = linked::boot(KEEPING, options.into()).map_err(JsValue::from).unwrap();
        let platform = crate::common::Domain::idle().platform();
        platform.sleep(std::time::Duration::ZERO).await;
        let platform = PLATFORM.take().expect("start has been called");
        Self { element, domain, platform }
    }
}

impl ConsoleRig for Window {
    type Console = PageConsole;

    fn console(&self) -> PageConsole {
        self.platform.console()
    }

    async fn type_text(&self, text: &str) {
        type_into(&self.element, text);
    }

    async fn screen(&self) -> String {
        lines(&self.element).iter().map(|line| format!("{line}\n")).collect()
    }

    async fn close(&self) -> bool {
        self.domain.close_input();
        true
    }

    fn input_bound(&self) -> Option<usize> {
        Some(64 * 1024)
    }
}

pub async fn console_element() {
    let window = Window::boot().await;
    holds(console::suite(&window.platform, &window).await);
    window.domain.destroy();
    window.element.remove();
}

pub async fn console_element_for_a_page() {
    let element = new_element();
    let typed = Rc::<RefCell<String>>::default();
    let heard = typed.clone();
    let on_input = Closure::<dyn FnMut(JsValue)>::new(move |text: JsValue| {
        heard.borrow_mut().push_str(&text.as_string().unwrap())
    });
    let console = DomConsole::for_page(element.clone(), on_input.as_ref().unchecked_ref::<js_sys::Function>().clone())
        .map_err(JsValue::from)
        .unwrap();

    // A screen reader is told of new lines, and the input line has a name.
    let output = element.query_selector("[role=log]").unwrap().unwrap();
    assert_eq!(output.get_attribute("aria-live").as_deref(), Some("polite"));
    assert!(element.query_selector("label input").unwrap().is_some());

    console.write("no end");
    console.write(" yet\n[warn] net: careful\n");
    assert_eq!(lines(&element), ["no end yet", "[warn] net: careful"]);
    assert!(element.query_selector(".mirage-warn").unwrap().is_some());
    type_into(&element, "hello");
    assert_eq!(*typed.borrow(), "hello\n");

    // The scroll-back is bounded, and so is a line without an end.
    for line in 0..1_500 {
        console.write(&format!("line {line}\n"));
    }
    let kept = lines(&element);
    assert!(kept.len() <= 1_000, "{}", kept.len());
    assert_eq!(kept.last().map(String::as_str), Some("line 1499"));
    console.clear();
    console.write(&"x".repeat(10_000));
    assert_eq!(lines(&element).iter().map(String::len).collect::<Vec<_>>(), [4_096, 4_096, 1_808]);

    // Follows the end, unless the reader has scrolled up.
    output.unchecked_ref::<web_sys::HtmlElement>().style().set_css_text("height: 50px; overflow: auto");
    for line in 0..50 {
        console.write(&format!("line {line}\n"));
    }
    next_frame().await;
    output.set_scroll_top(i32::MAX);
    console.write("one more\n");
    next_frame().await;
    let end = output.scroll_height() - output.client_height();
    assert!((output.scroll_top() - end).abs() <= 1);
    output.set_scroll_top(0);
    console.write("and one\n");
    next_frame().await;
    assert_eq!(output.scroll_top(), 0);

    // Once it is gone, the form does nothing.
    drop(console);
    type_into(&element, "nobody hears");
    assert_eq!(*typed.borrow(), "hello\n");
    element.remove();
}
