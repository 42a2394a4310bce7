//! JavaScript's own host on the LAN.

use js_sys::{Object, Promise, Reflect, Uint8Array};
use mirage_http::{Limits, Request, Response, Router, serve};
use mirage_sig::{Failure, Flow, Listener, Platform, Read, Stack, Write};
use platform_js::{App, Host};
use wasm_bindgen::convert::TryFromJsValue;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, ReadableStreamDefaultReader, WritableStream, WritableStreamDefaultWriter};

use super::{Domain, nonce};

/// Serves the web on port 80 and echoes on port 7.
const SERVER: App = App {
    name: "server",
    args: &[],
    start: |p| {
        Box::pin(async move {
            let stack = p.stack().await?;
            let (mut echoes, web) = (stack.listen(7, 4)?, stack.listen(80, 4)?);
            let echo = async move {
                let mut flow = echoes.accept().await?;
                let mut buffer = [0; 1000];
                while let count @ 1.. = flow.read(&mut buffer).await? {
                    flow.write_all(&buffer[..count]).await?;
                }
                flow.shutdown().await?;
                Ok::<(), Failure>(())
            };
            let _echo = mirage_sig::Spawn::spawn(&p, echo);
            let router = Router::new()
                .get("/", async |_: Request| Response::html("<h1>Hello</h1>"))
                .get("/large", async |_: Request| Response::text("x".repeat(300_000)))
                .post("/length", async |mut request: Request| {
                    request.bytes(100_000).await.map(|body| Response::text(body.len().to_string()))
                });
            serve(&p, web, Limits::default(), router).await?;
            Ok(())
        })
    },
};

async fn done(promise: Promise) -> Result<JsValue, String> {
    let value = JsFuture::from(promise).await;
    value.map_err(|error| error.unchecked_into::<js_sys::Error>().message().into())
}

/// A server, and a host on the same LAN.
async fn lan() -> (Domain, Host) {
    let lan = nonce() as u16;
    let server = Domain::boot(SERVER, &format!("net=lan:{lan}&ipv4=10.0.0.2/24&name=server-{lan}"));
    let host = done(Host::join(format!("net=lan:{lan}&ipv4=10.0.0.1/24"), None, None)).await.unwrap();
    (server, Host::try_from_js_value(host).unwrap())
}

/// Status, content type, text.
async fn page(host: &Host, url: &str, init: &JsValue) -> (u16, Option<String>, String) {
    let answer: web_sys::Response = done(host.fetch(url.into(), init.clone())).await.unwrap().unchecked_into();
    let text = done(answer.text().unwrap()).await.unwrap().as_string().unwrap();
    (answer.status(), answer.headers().get("content-type").unwrap(), text)
}

pub async fn a_host_fetches_from_a_unikernel() {
    let (_server, host) = lan().await;
    let addresses = js_sys::Array::from(&host.addresses());
    assert_eq!(addresses.get(0).as_string().as_deref(), Some("10.0.0.1/24"));
    let took = done(host.ping("10.0.0.2".into(), None)).await.unwrap().as_f64().unwrap();
    assert!((0.0..4000.0).contains(&took), "{took} ms");

    let none = JsValue::UNDEFINED;
    let (status, kind, text) = page(&host, "http://10.0.0.2/", &none).await;
    assert_eq!((status, text.as_str()), (200, "<h1>Hello</h1>"));
    assert!(kind.unwrap().starts_with("text/html"));
    assert_eq!(page(&host, "http://10.0.0.2/large", &none).await.2.len(), 300_000);
    assert_eq!(page(&host, "http://10.0.0.2/nothing", &none).await.0, 404);
    let init = Object::new();
    Reflect::set(&init, &"method".into(), &"POST".into()).unwrap();
    Reflect::set(&init, &"body".into(), &"x".repeat(70_000).into()).unwrap();
    assert_eq!(page(&host, "http://10.0.0.2/length", &init).await.2, "70000");
}

pub async fn a_host_talks_in_streams() {
    let (_server, host) = lan().await;
    let connection = done(host.connect("10.0.0.2".into(), 7)).await.unwrap();
    let readable: ReadableStream = Reflect::get(&connection, &"readable".into()).unwrap().unchecked_into();
    let writable: WritableStream = Reflect::get(&connection, &"writable".into()).unwrap().unchecked_into();
    let writer: WritableStreamDefaultWriter = writable.get_writer().unwrap();
    done(writer.write_with_chunk(&Uint8Array::from(&b"hello"[..]))).await.unwrap();
    done(writer.close()).await.unwrap();
    let reader: ReadableStreamDefaultReader = readable.get_reader().unchecked_into();
    let mut heard = Vec::new();
    loop {
        let part = done(reader.read()).await.unwrap();
        if Reflect::get(&part, &"done".into()).unwrap().is_truthy() {
            break;
        }
        heard.extend(Reflect::get(&part, &"value".into()).unwrap().unchecked_into::<Uint8Array>().to_vec());
    }
    assert_eq!(heard, b"hello");
    // Nobody listens there.
    let refused = done(host.connect("10.0.0.2".into(), 9)).await.unwrap_err();
    assert!(refused.contains("10.0.0.2:9"), "{refused}");
    host.leave();
}

pub async fn a_host_that_cannot_be() {
    let wrong = done(Host::join("ipv4=10.0.0.1".into(), None, None)).await.unwrap_err();
    assert!(wrong.contains("ipv4") && wrong.contains("10.0.0.2/24"), "{wrong}");
    let wrong = done(Host::join("net=lan:x".into(), None, None)).await.unwrap_err();
    assert!(wrong.contains("lan:0"), "{wrong}");
}
