#![doc = include_str!("../README.md")]
#![cfg(target_arch = "wasm32")]

mod args;
mod block;
mod clock;
mod console;
mod describe;
mod dom_console;
mod domain;
mod embed;
mod frames;
mod host;
mod http;
mod kv;
mod log;
mod messages;
mod network;
mod panic;
mod platform;
mod promise;
mod random;
mod sleep;
mod spawn;
mod switch;
mod window;
mod worker;

pub use block::{Disk, DiskError};
pub use console::{ConsoleGone, PageConsole};
pub use dom_console::DomConsole;
pub use domain::App;
pub use embed::Embedded;
pub use frames::{capture_file, frame_layers, frame_summary};
pub use host::Host;
pub use http::{Body, Fetch, FetchError};
pub use kv::{IndexedDb, KvFault};
pub use network::{BROADCAST_PREFIX, Interface, Plug};
pub use platform::Browser;
pub use switch::Switch;
pub use window::Domain;

/// What [`unikernel!`] expands to calls of.
#[doc(hidden)]
pub mod linked {
    pub use crate::args::help;
    pub use crate::domain::App;
    pub use crate::window::boot;
    pub use crate::worker::serve;
    pub use ::wasm_bindgen;
    pub use ::wasm_bindgen::prelude::{JsError, JsValue, wasm_bindgen};
}

/// Links an application into the bundle, which is then a unikernel for the browser: exports `serve` for a worker, `boot`
/// for the window, and `argumentHelp`.
///
/// Takes the name that the unikernel has if its arguments give it none, its `start` function, and the arguments of its own:
///
/// ```ignore
/// platform_js::unikernel!("web-demo", web_demo::start, web_demo::ARGS);
/// ```
#[macro_export]
macro_rules! unikernel {
    ($name:expr, $start:path, $args:expr) => {
        const UNIKERNEL: $crate::linked::App = $crate::linked::App {
            name: $name,
            args: $args,
            start: |platform| ::std::boxed::Box::pin($start(platform)),
        };

        /// Waits, in a dedicated worker, for the page to boot the unikernel; see `ToDomain` and `FromDomain`.
        #[$crate::linked::wasm_bindgen(wasm_bindgen = $crate::linked::wasm_bindgen)]
        pub fn serve() -> Result<(), $crate::linked::JsError> {
            $crate::linked::serve(UNIKERNEL)
        }

        /// Boots the unikernel in the window itself, with its console in an element of the page.
        #[$crate::linked::wasm_bindgen(wasm_bindgen = $crate::linked::wasm_bindgen)]
        pub fn boot(
            #[wasm_bindgen(unchecked_param_type = "BootOptions")] options: $crate::linked::JsValue,
        ) -> Result<$crate::Domain, $crate::linked::JsError> {
            $crate::linked::boot(UNIKERNEL, options)
        }

        /// The arguments that the unikernel takes.
        #[$crate::linked::wasm_bindgen(
                                                                            wasm_bindgen = $crate::linked::wasm_bindgen,
                                                                            js_name = argumentHelp,
                                                                            unchecked_return_type = "ArgumentInfo[]"
                                                                        )]
        pub fn argument_help() -> $crate::linked::JsValue {
            $crate::linked::help(&UNIKERNEL)
        }
    };
}
