//! Flows as streams of JavaScript (Streams standard).

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Object, Promise, Reflect, Uint8Array};
use mirage_sig::{Read, Write};
use mirage_tcpip::Flow;
use wasm_bindgen::prelude::*;
use web_sys::{ReadableStream, ReadableStreamDefaultController, WritableStream};

use crate::describe::describe;
use crate::promise::promise;

/// Bytes that are handed to JavaScript at once, at most.
const CHUNK_MAX: usize = 64 << 10;

/// A flow that both streams have.
struct Shared(Rc<Flow>);

impl mirage_sig::ErrorType for Shared {
    type Error = mirage_tcpip::Error;
}

impl Read for Shared {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, mirage_tcpip::Error> {
        (&*self.0).read(buffer).await
    }
}

/// An object with these properties.
fn object(properties: &[(&str, &JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in properties {
        // Fails for frozen objects only.
        let _ = Reflect::set(&object, &(*name).into(), value);
    }
    object
}

/// `HostConnection` in types.d.ts.
pub(super) fn connection(flow: Flow) -> Result<JsValue, String> {
    let flow = Rc::new(flow);
    let (readable, writable) = (readable(Shared(flow.clone())), writable(flow)?);
    Ok(object(&[("readable", &readable), ("writable", &writable)]).into())
}

/// A stream of what `source` gives, read as it is asked for. To cancel it drops the source.
pub(super) fn readable(source: impl Read + 'static) -> ReadableStream {
    // Out of its place while it is read from.
    let source = Rc::new(RefCell::new(Some((source, vec![0; CHUNK_MAX]))));
    let cancelled = source.clone();
    let pull = move |controller: ReadableStreamDefaultController| -> Promise {
        let place = source.clone();
        promise(async move {
            let Some((mut source, mut buffer)) = place.take() else { return Ok(JsValue::UNDEFINED) };
            match source.read(&mut buffer).await {
                Ok(0) => controller.close().map_err(|error| describe(&error))?,
                Ok(count) => {
                    // Throws if the stream was cancelled meanwhile, and then the source is dropped here.
                    let chunk = Uint8Array::from(&buffer[..count]);
                    controller.enqueue_with_chunk(&chunk).map_err(|error| describe(&error))?;
                    place.replace(Some((source, buffer)));
                }
                Err(error) => return Err(error.to_string()),
            }
            Ok(JsValue::UNDEFINED)
        })
    };
    let pull = Closure::<dyn FnMut(ReadableStreamDefaultController) -> Promise>::new(pull).into_js_value();
    let cancel = Closure::<dyn FnMut()>::new(move || drop(cancelled.take())).into_js_value();
    let under = object(&[("pull", &pull), ("cancel", &cancel)]);
    // Throws for a source that is none.
    ReadableStream::new_with_underlying_source(&under).unwrap_or_else(|error| wasm_bindgen::throw_val(error))
}

fn writable(flow: Rc<Flow>) -> Result<WritableStream, String> {
    let (writing, ending) = (flow.clone(), flow.clone());
    let write = move |chunk: JsValue| -> Promise {
        let flow = writing.clone();
        promise(async move {
            let chunk: Uint8Array = chunk.dyn_into().map_err(|_| "only a Uint8Array can be written")?;
            (&*flow).write_all(&chunk.to_vec()).await.map_err(|error| error.to_string())?;
            Ok(JsValue::UNDEFINED)
        })
    };
    let close = move || -> Promise {
        let flow = ending.clone();
        promise(async move { flow.end().map(|()| JsValue::UNDEFINED).map_err(|error| error.to_string()) })
    };
    let write = Closure::<dyn FnMut(JsValue) -> Promise>::new(write).into_js_value();
    let close = Closure::<dyn FnMut() -> Promise>::new(close).into_js_value();
    let abort = Closure::<dyn FnMut()>::new(move || flow.abort()).into_js_value();
    let under = object(&[("write", &write), ("close", &close), ("abort", &abort)]);
    WritableStream::new_with_underlying_sink(&under).map_err(|error| describe(&error))
}
