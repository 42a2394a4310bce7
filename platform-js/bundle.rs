//! The bundle of the demo page: the browser's platform with web-demo on it.
#![cfg(target_arch = "wasm32")]

platform_js::unikernel!("web-demo", web_demo::start, web_demo::ARGS);
