//! What crosses between the page and a domain, as typed objects.

use mirage_sig::Link;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::network::Meter;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.d.ts");

/// See `State` in types.d.ts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Booting,
    Running,
    Paused,
    Halted,
    Rebooting,
    Failed,
    Crashed,
}

impl State {
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Halted | Self::Rebooting | Self::Failed | Self::Crashed)
    }
}

/// See `Status` in types.d.ts.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Status {
    pub state: State,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

impl Status {
    pub fn new(name: &str) -> Self {
        Self { state: State::Booting, name: name.to_owned(), message: None, location: None, stack: None }
    }
}

/// See `Stats` in types.d.ts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    pub name: String,
    pub state: State,
    pub boot_ms: f64,
    pub uptime_ms: f64,
    pub memory_bytes: f64,
    pub tasks: u32,
    pub console: ConsoleReport,
    pub networks: Vec<NetworkReport>,
    pub stores: Vec<String>,
    pub addresses: Vec<String>,
}

/// See `ConsoleStats` in types.d.ts. Counters are `f64`, JavaScript's number: exact up to 2^53.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConsoleReport {
    pub written_bytes: f64,
    pub read_bytes: f64,
    pub dropped_bytes: f64,
}

/// See `NetworkStats` in types.d.ts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NetworkReport {
    name: String,
    cable: &'static str,
    mac: String,
    link: &'static str,
    rx_frames: f64,
    rx_bytes: f64,
    rx_dropped: f64,
    tx_frames: f64,
    tx_bytes: f64,
    tx_dropped: f64,
}

impl NetworkReport {
    pub fn new(meter: &Meter) -> Self {
        let stats = meter.stats();
        Self {
            name: meter.name().to_owned(),
            cable: meter.cable(),
            mac: meter.mac().to_string(),
            link: if meter.link() == Link::Up { "up" } else { "down" },
            rx_frames: stats.rx_frames as f64,
            rx_bytes: stats.rx_bytes as f64,
            rx_dropped: stats.rx_dropped as f64,
            tx_frames: stats.tx_frames as f64,
            tx_bytes: stats.tx_bytes as f64,
            tx_dropped: stats.tx_dropped as f64,
        }
    }
}

/// See `ArgumentInfo` in types.d.ts.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ArgumentInfo {
    pub name: &'static str,
    pub expects: String,
    pub help: &'static str,
}

#[wasm_bindgen]
extern "C" {
    /// See `ToDomain` in types.d.ts. Read field by field: the general reader of tagged objects would be a tenth of the bundle.
    pub(crate) type ToDomain;
    #[wasm_bindgen(method, getter, js_name = type)]
    pub(crate) fn kind(this: &ToDomain) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn args(this: &ToDomain) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn cable(this: &ToDomain) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn text(this: &ToDomain) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn reboot(this: &ToDomain) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn id(this: &ToDomain) -> JsValue;
}

/// See `FromDomain` in types.d.ts.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum FromDomain<'a> {
    Ready,
    Console { text: &'a str },
    Status { status: &'a Status },
    Pong { id: f64, stats: Option<Stats> },
}

/// The JavaScript object for a value.
pub(crate) fn to_js(value: &impl Serialize) -> JsValue {
    // Only a map with keys that are no strings could fail, and there is none in this module.
    serde_wasm_bindgen::to_value(value).unwrap_or(JsValue::NULL)
}
