//! Arguments from the URL's query.

use mirage_sig::{Arg, ArgError, Args, STANDARD_ARGS};
use wasm_bindgen::prelude::*;
use web_sys::UrlSearchParams;

use crate::domain::App;
use crate::messages::{ArgumentInfo, to_js};

/// Checks the arguments in `query`.
pub(crate) fn check(query: &str, own: &[Arg]) -> Result<Args, Vec<ArgError>> {
    Args::check(read(query), own)
}

/// The argument `name`, if it is good, whatever the others are: so that who is refused is called by its own name.
pub(crate) fn name_alone(query: &str) -> Args {
    let mut given = read(query);
    given.retain(|(name, _)| name == "name");
    given.truncate(1);
    Args::check(given, &[]).unwrap_or_default()
}

/// Reads `query`, with or without its `?`, as the browser does (URL standard, application/x-www-form-urlencoded).
fn read(query: &str) -> Vec<(String, String)> {
    let mut given = Vec::new();
    // The constructor takes any text; it throws on other types only.
    if let Ok(parameters) = UrlSearchParams::new_with_str(query) {
        for pair in parameters.entries() {
            let Ok(pair) = pair else { break };
            let pair = js_sys::Array::from(&pair);
            let text = |at| pair.get(at).as_string().unwrap_or_default();
            given.push((text(0), text(1)));
        }
    }
    given
}

/// What the page shows of an application's arguments.
#[doc(hidden)]
pub fn help(app: &App) -> JsValue {
    let info = |arg: &Arg| ArgumentInfo { name: arg.name, expects: arg.kind.to_string(), help: arg.help };
    to_js(&app.args.iter().chain(STANDARD_ARGS).map(info).collect::<Vec<_>>())
}
