//! Frames for the page that shows them: decoded, and as a capture file.

use js_sys::Uint8Array;
use mirage_net::decode::{Summary, layers};
use mirage_net::{Direction, pcapng::PcapNg};
use mirage_sig::Mac;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::messages::to_js;

/// See `FrameLayer` in types.d.ts.
#[derive(Serialize)]
struct FrameLayer {
    name: &'static str,
    start: usize,
    end: usize,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
    fields: Vec<FrameField>,
}

/// See `FrameField` in types.d.ts.
#[derive(Serialize)]
struct FrameField {
    name: &'static str,
    start: usize,
    end: usize,
    value: String,
}

/// What a frame says, in one line.
#[wasm_bindgen(js_name = frameSummary)]
pub fn frame_summary(frame: &[u8]) -> String {
    Summary(frame).to_string()
}

/// The layers of a frame, the outermost first.
#[wasm_bindgen(js_name = frameLayers, unchecked_return_type = "FrameLayer[]")]
pub fn frame_layers(frame: &[u8]) -> JsValue {
    let shown = |layer: mirage_net::decode::Layer<'_>| FrameLayer {
        name: layer.name,
        start: layer.range.start,
        end: layer.range.end,
        summary: layer.summary,
        problem: layer.problem,
        fields: layer.fields.iter().map(field).collect(),
    };
    to_js(&layers(frame).into_iter().map(shown).collect::<Vec<_>>())
}

fn field(field: &mirage_net::decode::Field<'_>) -> FrameField {
    FrameField { name: field.name, start: field.range.start, end: field.range.end, value: field.value.to_string() }
}

/// A capture file (pcapng) of frames that were seen on `network` at `times`, in milliseconds since 1970; as many as there are
/// of both.
#[wasm_bindgen(js_name = captureFile)]
pub fn capture_file(network: &str, times: &[f64], frames: Vec<Uint8Array>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut blocks = PcapNg::new("MirageOS in Rust", |block: &[u8]| file.extend_from_slice(block));
    let interface = blocks.interface(network, Mac([0; 6]));
    for (ms, frame) in times.iter().zip(frames) {
        blocks.packet(interface, (ms * 1e6) as u64, Direction::Received, &frame.to_vec());
    }
    drop(blocks);
    file
}
