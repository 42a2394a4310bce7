//! Requests of the page over a host's stack.

use js_sys::{Array, ArrayBuffer, Uint8Array};
use mirage_http::Client;
use mirage_sig::{HttpClient, HttpRequest, Method};
use mirage_tcpip::Tcpip;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, Response, ResponseInit};

use super::streams::readable;
use crate::describe::describe;
use crate::platform::Browser;

#[wasm_bindgen]
extern "C" {
    /// `Request` with any of the inputs that `fetch` takes.
    #[wasm_bindgen(extends = Request, js_name = Request)]
    type AnyRequest;
    #[wasm_bindgen(constructor, catch, js_class = "Request")]
    fn new(input: &JsValue, init: &JsValue) -> Result<AnyRequest, JsValue>;
}

/// Answers that have no body (Fetch standard, "null body status").
const WITHOUT_BODY: [u16; 3] = [204, 205, 304];

const METHODS: [Method; 7] =
    [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete, Method::Options];

pub(super) async fn fetch(client: &Client<Browser, Tcpip>, input: &JsValue, init: &JsValue) -> Result<JsValue, String> {
    let request = AnyRequest::new(input, init).map_err(|error| describe(&error))?;
    let method = request.method();
    let method = METHODS.into_iter().find(|known| known.as_str() == method);
    let method = method.ok_or_else(|| format!("{} is not among the methods that can be used", request.method()))?;
    let headers = pairs(&request.headers());
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = request.array_buffer().map_err(|error| describe(&error))?;
    let body: ArrayBuffer = JsFuture::from(body).await.map_err(|error| describe(&error))?.unchecked_into();
    let body = Uint8Array::new(&body).to_vec();
    let url = request.url();
    let asked = HttpRequest { method, url: &url, headers: &headers, body: &body };
    let answer = client.request(asked).await.map_err(|error| error.to_string())?;

    let init = ResponseInit::new();
    init.set_status(answer.status);
    let headers = Headers::new().map_err(|error| describe(&error))?;
    for (name, value) in &answer.headers {
        // What a browser takes for no header is none.
        let _ = headers.append(name, value);
    }
    init.set_headers(&headers);
    let body = if WITHOUT_BODY.contains(&answer.status) || method == Method::Head {
        None
    } else {
        Some(readable(answer.body))
    };
    let response = Response::new_with_opt_readable_stream_and_init(body.as_ref(), &init);
    response.map(JsValue::from).map_err(|error| describe(&error))
}

fn pairs(headers: &Headers) -> Vec<(String, String)> {
    let pair = |pair: JsValue| {
        let pair = Array::from(&pair);
        let text = |at| pair.get(at).as_string().unwrap_or_default();
        (text(0), text(1))
    };
    headers.entries().into_iter().flatten().map(pair).collect()
}
