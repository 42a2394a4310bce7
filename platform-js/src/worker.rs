//! The unikernel in a dedicated worker: a loop that never yields freezes its domain, and not the page.

use std::cell::RefCell;
use std::rc::Rc;

use mirage_sig::Shutdown;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, Event, MessageEvent};

use crate::console::{Screen, Terminal};
use crate::describe::describe;
use crate::domain::{App, Domain};
use crate::messages::{FromDomain, State, ToDomain, to_js};

/// Waits for the page to boot `app`; what `serve` of the bundle does.
#[doc(hidden)]
pub fn serve(app: App) -> Result<(), JsError> {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().dyn_into().map_err(|_| {
        JsError::new("serve: not in a dedicated worker; in the window, call boot({ console: element })")
    })?;
    let domain: Rc<RefCell<Option<Rc<Domain>>>> = Rc::default();

    let booted = domain.clone();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        // Getters throw on these two, and on nothing else.
        if !event.data().is_null() && !event.data().is_undefined() {
            receive(app, &booted, &event.data().unchecked_into());
        }
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();

    // A panic has been reported when the trap that follows it gets here; the page need not see it as an error of its own.
    let on_error = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
        if domain.borrow().as_ref().is_some_and(|domain| domain.state() == State::Crashed) {
            event.prevent_default();
        }
    });
    scope.add_event_listener_with_callback("error", on_error.as_ref().unchecked_ref()).map_err(into_error)?;
    on_error.forget();

    post(&FromDomain::Ready);
    Ok(())
}

fn into_error(error: JsValue) -> JsError {
    JsError::new(&format!("serve: {}", describe(&error)))
}

fn receive(app: App, booted: &RefCell<Option<Rc<Domain>>>, message: &ToDomain) {
    let domain = booted.borrow().clone();
    let kind = message.kind().as_string().unwrap_or_default();
    let Some(domain) = domain else {
        match kind.as_str() {
            "boot" => {
                let terminal = Terminal::new(Screen::Page(Box::new(|text| post(&FromDomain::Console { text }))));
                let args = message.args().as_string().unwrap_or_default();
                let cable = message.cable().dyn_into().ok();
                let domain =
                    Domain::boot(app, &args, cable, terminal, Box::new(|status| post(&FromDomain::Status { status })));
                booted.replace(Some(domain));
            }
            "ping" => post(&FromDomain::Pong { id: message.id().as_f64().unwrap_or_default(), stats: None }),
            _ => {}
        }
        return;
    };
    // After a panic nothing of the unikernel's memory may be touched.
    if domain.state() == State::Crashed {
        return;
    }
    match kind.as_str() {
        "input" => domain.terminal.typed(&message.text().as_string().unwrap_or_default()),
        "close" => domain.terminal.close(),
        "drained" => domain.terminal.drained(),
        "ping" => {
            post(&FromDomain::Pong { id: message.id().as_f64().unwrap_or_default(), stats: Some(domain.stats()) });
        }
        "pause" => domain.pause(),
        "resume" => domain.resume(),
        "shutdown" => {
            let reboot = message.reboot().is_truthy();
            domain.request_shutdown(if reboot { Shutdown::Reboot } else { Shutdown::Poweroff });
        }
        "boot" => ::log::warn!(target: "platform_js", "booted already: a worker boots once"),
        _ => ::log::warn!(target: "platform_js", "a message of type {kind:?} is not one of ToDomain"),
    }
}

fn post(message: &FromDomain<'_>) {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    // Plain objects can always be posted.
    let _ = scope.post_message(&to_js(message));
}
