//! The unikernel in the window itself: the simplest embedding, one element and one call.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Promise};
use mirage_sig::Shutdown;
use wasm_bindgen::prelude::*;
use web_sys::Element;

use crate::console::{Screen, Terminal};
use crate::describe::describe;
use crate::dom_console::DomConsole;
use crate::domain::{self, App};
use crate::messages::{Status, to_js};

/// A unikernel that runs in this window.
#[wasm_bindgen]
pub struct Domain {
    inner: Rc<domain::Domain>,
    done: Promise,
}

/// Boots `app`; what `boot` of the bundle does.
#[doc(hidden)]
pub fn boot(app: App, options: JsValue) -> Result<Domain, JsError> {
    let option = |name: &str| js_sys::Reflect::get(&options, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let element: Element = option("console")
        .dyn_into()
        .map_err(|_| JsError::new("boot: options.console must be the element in which the console is drawn"))?;
    let args = match option("args") {
        none if none.is_undefined() || none.is_null() => String::new(),
        args => {
            args.as_string().ok_or_else(|| JsError::new("boot: options.args must be a string such as \"name=web\""))?
        }
    };

    let terminal: Rc<RefCell<Option<Terminal>>> = Rc::default();
    let typed = terminal.clone();
    let screen = DomConsole::new(&element, move |text| {
        if let Some(terminal) = typed.borrow().as_ref() {
            terminal.typed(text);
        }
    })
    .map_err(|error| JsError::new(&format!("boot: the console cannot be drawn: {}", describe(&error))))?;
    let new = Terminal::new(Screen::Dom(screen));
    terminal.replace(Some(new.clone()));

    let mut resolve: Option<Function> = None;
    let done = Promise::new(&mut |done, _| resolve = Some(done));
    let resolve = RefCell::new(resolve);
    let notify = move |status: &Status| {
        if status.state.has_ended() {
            // The console's listener and its terminal hold one another; nobody reads any more.
            terminal.take();
            if let Some(resolve) = resolve.borrow_mut().take() {
                // The function that ends a promise does not throw.
                let _ = resolve.call1(&JsValue::UNDEFINED, &to_js(status));
            }
        }
    };
    let cable = option("cable").dyn_into().ok();
    let inner = domain::Domain::boot(app, &args, cable, new, Box::new(notify));
    Ok(Domain { inner, done })
}

#[wasm_bindgen]
impl Domain {
    /// What it is called.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.inner.name.clone()
    }

    /// Resolves when it has ended.
    #[wasm_bindgen(getter, unchecked_return_type = "Promise<Status>")]
    pub fn done(&self) -> Promise {
        self.done.clone()
    }

    /// Types text into its console, with its line end.
    pub fn input(&self, text: &str) {
        self.inner.terminal.typed(text);
    }

    /// Says that no more will be typed: its console reads end of file.
    #[wasm_bindgen(js_name = closeInput)]
    pub fn close_input(&self) {
        self.inner.terminal.close();
    }

    /// Holds it: none of its code runs until `resume`.
    pub fn pause(&self) {
        self.inner.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.inner.resume();
    }

    /// Asks it to end. It may take its time.
    pub fn shutdown(&self, reboot: bool) {
        self.inner.request_shutdown(if reboot { Shutdown::Reboot } else { Shutdown::Poweroff });
    }

    /// Ends it at once: its tasks are dropped where they wait.
    pub fn destroy(&self) {
        self.inner.destroy();
    }

    /// What has become of it.
    #[wasm_bindgen(unchecked_return_type = "Status")]
    pub fn status(&self) -> JsValue {
        to_js(&self.inner.status())
    }

    /// What it uses.
    #[wasm_bindgen(unchecked_return_type = "Stats")]
    pub fn stats(&self) -> JsValue {
        to_js(&self.inner.stats())
    }
}
