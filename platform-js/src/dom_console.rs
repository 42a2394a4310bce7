//! The console as an element of the page: output with a bounded scroll-back, and an input line.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::describe::describe;
use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Element, Event, HtmlInputElement};

/// Lines of output that are kept; beyond it the oldest go.
const LINES_MAX: usize = 1_000;

/// Characters of one line that are kept; beyond it the line is broken.
const LINE_CHARS_MAX: usize = 4_096;

/// Typed lines that the arrow keys bring back.
const HISTORY_MAX: usize = 50;

/// A console in an element of the page. Output is a live region, so that a screen reader speaks new lines; input is a form
/// with one line, whose text goes to a function. The arrow keys bring back earlier lines.
#[wasm_bindgen]
pub struct DomConsole(Rc<Inner>);

struct Inner {
    document: Document,
    output: Element,
    form: Element,
    input: HtmlInputElement,
    /// The last line, as long as its end has not been written.
    open: RefCell<Option<(Element, usize)>>,
    lines: Cell<usize>,
    history: RefCell<VecDeque<String>>,
    /// Which line of the history is shown; its length means none.
    recalled: Cell<usize>,
    listeners: RefCell<Vec<Listener>>,
    scroll: RefCell<Scroll>,
}

/// Scrolling to the end, once a frame: to ask where the end is makes the browser lay out the page.
#[derive(Default)]
struct Scroll {
    /// A frame has been asked for.
    requested: bool,
    on_frame: Option<Closure<dyn FnMut()>>,
}

struct Listener {
    target: Element,
    event: &'static str,
    callback: Closure<dyn FnMut(Event)>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.target.remove_event_listener_with_callback(self.event, self.callback.as_ref().unchecked_ref());
    }
}

#[wasm_bindgen]
impl DomConsole {
    /// Builds a console inside `element`, whose content it replaces. `onInput` gets each typed line, with its `\n`.
    #[wasm_bindgen(constructor)]
    pub fn for_page(
        element: Element,
        #[wasm_bindgen(js_name = onInput, unchecked_param_type = "(text: string) => void")] on_input: Function,
    ) -> Result<Self, JsError> {
        Self::new(&element, move |text| {
            // A function of the page that throws is the page's bug; the browser has reported it.
            let _ = on_input.call1(&JsValue::UNDEFINED, &JsValue::from_str(text));
        })
        .map_err(|error| JsError::new(&format!("the console cannot be built: {}", describe(&error))))
    }

    /// Shows text; lines end in `\n`. A line that begins with a log level in brackets gets its class.
    pub fn write(&self, text: &str) {
        self.0.write(text);
    }

    /// Removes all output.
    pub fn clear(&self) {
        self.0.output.set_text_content(None);
        self.0.open.take();
        self.0.lines.set(0);
    }

    /// Lets the input line take text, or not.
    pub fn enable(&self, on: bool) {
        self.0.input.set_disabled(!on);
    }
}

impl DomConsole {
    pub(crate) fn new(element: &Element, on_input: impl Fn(&str) + 'static) -> Result<Self, JsValue> {
        let document = element.owner_document().ok_or("the element is in no document")?;
        element.set_text_content(None);
        let output = document.create_element("div")?;
        output.set_class_name("mirage-output");
        for (name, value) in [("role", "log"), ("aria-live", "polite"), ("aria-label", "Console"), ("tabindex", "0")] {
            output.set_attribute(name, value)?;
        }
        let form = document.create_element("form")?;
        form.set_class_name("mirage-input");
        let label = document.create_element("label")?;
        label.set_text_content(Some("Input"));
        let input: HtmlInputElement = document.create_element("input")?.unchecked_into();
        for (name, value) in [
            ("type", "text"),
            ("autocomplete", "off"),
            ("autocapitalize", "off"),
            ("spellcheck", "false"),
            ("enterkeyhint", "send"),
        ] {
            input.set_attribute(name, value)?;
        }
        label.append_child(&input)?;
        form.append_child(&label)?;
        element.append_child(&output)?;
        element.append_child(&form)?;
        let inner = Rc::new(Inner {
            document,
            output,
            form,
            input,
            open: RefCell::default(),
            lines: Cell::new(0),
            history: RefCell::default(),
            recalled: Cell::new(0),
            listeners: RefCell::default(),
            scroll: RefCell::default(),
        });
        inner.listen(on_input)?;
        Ok(Self(inner))
    }
}

impl Drop for DomConsole {
    fn drop(&mut self) {
        // The listeners hold the console, and would keep it for ever.
        self.0.listeners.take();
        if !self.0.scroll.borrow().requested {
            self.0.scroll.take();
        }
    }
}

impl Inner {
    fn listen(self: &Rc<Self>, on_input: impl Fn(&str) + 'static) -> Result<(), JsValue> {
        let this = self.clone();
        self.on(&self.form, "submit", move |event| {
            event.prevent_default();
            let line = this.input.value();
            this.input.set_value("");
            this.remember(&line);
            this.echo(&line);
            on_input(&format!("{line}\n"));
        })?;
        let this = self.clone();
        self.on(&self.input, "keydown", move |event| {
            let key = js_sys::Reflect::get(&event, &"key".into()).ok().and_then(|key| key.as_string());
            let back = match key.as_deref() {
                Some("ArrowUp") => true,
                Some("ArrowDown") => false,
                _ => return,
            };
            event.prevent_default();
            this.recall(back);
        })
    }

    fn on(&self, target: &Element, event: &'static str, callback: impl FnMut(Event) + 'static) -> Result<(), JsValue> {
        let callback = Closure::<dyn FnMut(Event)>::new(callback);
        target.add_event_listener_with_callback(event, callback.as_ref().unchecked_ref())?;
        self.listeners.borrow_mut().push(Listener { target: target.clone(), event, callback });
        Ok(())
    }

    fn write(self: &Rc<Self>, text: &str) {
        self.follow(false);
        for part in text.split_inclusive('\n') {
            let (part, ends) = match part.strip_suffix('\n') {
                Some(line) => (line.strip_suffix('\r').unwrap_or(line), true),
                None => (part, false),
            };
            self.append(part);
            if ends {
                self.open.take();
            }
        }
    }

    /// Sees to it that the end is in view in the next frame, if it is now, or in any case. Who reads further up is not pulled
    /// down.
    fn follow(self: &Rc<Self>, in_any_case: bool) {
        let mut scroll = self.scroll.borrow_mut();
        if scroll.requested {
            return;
        }
        // One pixel of rounding is forgiven.
        let at_end = || self.output.scroll_height() - self.output.scroll_top() - self.output.client_height() <= 1;
        if !in_any_case && !at_end() {
            return;
        }
        let weak = Rc::downgrade(self);
        let on_frame = scroll.on_frame.get_or_insert_with(|| {
            Closure::new(move || {
                if let Some(this) = weak.upgrade() {
                    this.scroll.borrow_mut().requested = false;
                    this.output.set_scroll_top(this.output.scroll_height());
                }
            })
        });
        // Without a window there is nothing to look at.
        if let Some(window) = web_sys::window() {
            scroll.requested = window.request_animation_frame(on_frame.as_ref().unchecked_ref()).is_ok();
        }
    }

    /// Puts text without a line end behind the last line, or begins one.
    fn append(&self, text: &str) {
        let mut rest = text;
        loop {
            let mut open = self.open.borrow_mut();
            if open.as_ref().is_none_or(|(_, chars)| *chars >= LINE_CHARS_MAX) {
                *open = self.begin_line(class_of(rest)).map(|line| (line, 0));
            }
            let Some((line, chars)) = open.as_mut() else { return };
            let end = rest.char_indices().nth(LINE_CHARS_MAX - *chars).map_or(rest.len(), |(at, _)| at);
            let (now, later) = rest.split_at(end);
            *chars += now.chars().count();
            let text = self.document.create_text_node(now);
            let _ = line.append_child(&text);
            if later.is_empty() {
                return;
            }
            rest = later;
        }
    }

    fn begin_line(&self, class: &str) -> Option<Element> {
        // An element that the page has taken out of the document still takes lines; nothing else can fail here.
        let line = self.document.create_element("div").ok()?;
        line.set_class_name(class);
        self.output.append_child(&line).ok()?;
        if self.lines.get() == LINES_MAX {
            if let Some(oldest) = self.output.first_element_child() {
                oldest.remove();
            }
        } else {
            self.lines.set(self.lines.get() + 1);
        }
        Some(line)
    }

    /// Shows what was typed, as a terminal does.
    fn echo(self: &Rc<Self>, typed: &str) {
        self.open.take();
        self.follow(true);
        if let Some(line) = self.begin_line("mirage-line mirage-typed") {
            line.set_text_content(Some(typed));
        }
    }

    fn remember(&self, line: &str) {
        let mut history = self.history.borrow_mut();
        if !line.is_empty() && history.back().is_none_or(|last| last != line) {
            if history.len() == HISTORY_MAX {
                history.pop_front();
            }
            history.push_back(line.to_owned());
        }
        self.recalled.set(history.len());
    }

    fn recall(&self, back: bool) {
        let history = self.history.borrow();
        let at = self.recalled.get();
        let at = if back { at.saturating_sub(1) } else { (at + 1).min(history.len()) };
        self.recalled.set(at);
        self.input.set_value(history.get(at).map_or("", String::as_str));
    }
}

fn class_of(line: &str) -> &'static str {
    const LEVELS: [(&str, &str); 5] = [
        ("[error] ", "mirage-line mirage-error"),
        ("[warn] ", "mirage-line mirage-warn"),
        ("[info] ", "mirage-line mirage-info"),
        ("[debug] ", "mirage-line mirage-debug"),
        ("[trace] ", "mirage-line mirage-trace"),
    ];
    LEVELS.iter().find(|(prefix, _)| line.starts_with(prefix)).map_or("mirage-line", |(_, class)| class)
}
