//! The test server that the conformance suite for HTTP asks for, out of our own server.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use mirage_http::{BrokenOff, Piece, PipeWriter, Request, Response, Router, pipe};
use mirage_sig::Write;

#[derive(Default)]
struct State {
    under_way: RefCell<HashMap<String, usize>>,
    slow: RefCell<HashMap<String, PipeWriter>>,
}

/// A request that is under way until this is dropped.
struct UnderWay(Rc<State>, String);

impl UnderWay {
    fn new(state: &Rc<State>, key: &str) -> Self {
        *state.under_way.borrow_mut().entry(key.into()).or_default() += 1;
        Self(state.clone(), key.into())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(count) = self.0.under_way.borrow_mut().get_mut(&self.1) {
            *count -= 1;
        }
    }
}

fn key(request: &Request) -> &str {
    request.param("key").unwrap()
}

pub fn router() -> Router {
    let state = Rc::new(State::default());
    let with = |answer: fn(Rc<State>, Request) -> Response| {
        let state = state.clone();
        async move |request: Request| answer(state.clone(), request)
    };
    let hanging = state.clone();
    let go = state.clone();
    Router::new()
        .get("/hello", async |_| {
            Response::of("text/plain", &b"hello, world\n"[..]).with_header("X-Greeting", "Hello There")
        })
        .get("/missing", async |_| Response::text("nothing here\n").with_status(404))
        .get("/empty", async |_| Response::new(204))
        .get("/bytes", async |_| Response::of("x/y", (0..1_000_000_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>()))
        .get(
            "/slow/:key",
            with(|state, request| {
                let (mut writer, reader) = pipe(100);
                let key = key(&request).to_string();
                // There is room, so that it does not wait.
                let _ = at_once(writer.write_all(b"first\n"));
                state.slow.borrow_mut().insert(key, writer);
                Response::stream("text/plain", None, reader)
            }),
        )
        .get("/go/:key", async move |request: Request| {
            let writer = go.slow.borrow_mut().remove(key(&request));
            if let Some(mut writer) = writer {
                let _ = writer.write_all(b"second\n").await;
            }
            Response::new(204)
        })
        .get("/broken", async |_| {
            let mut pieces = [Err(BrokenOff), Ok(Some(b"ten bytes.".to_vec()))].into_iter().collect::<Vec<_>>();
            Response::stream("x/y", Some(20), async move || -> Piece { pieces.pop().unwrap_or(Ok(None)) })
        })
        .get(
            "/endless/:key",
            with(|state, request| {
                let under_way = UnderWay::new(&state, key(&request));
                Response::stream("x/y", None, async move || -> Piece {
                    let _ = &under_way;
                    Ok(Some(b"and so on ".repeat(100)))
                })
            }),
        )
        .get("/hang/:key", async move |request: Request| -> Response {
            let _under_way = UnderWay::new(&hanging, key(&request));
            std::future::pending().await
        })
        .get(
            "/open/:key",
            with(|state, request| {
                Response::text(state.under_way.borrow().get(key(&request)).copied().unwrap_or(0).to_string())
            }),
        )
        .any("/echo", echo)
        .any("/echo/*", echo)
}

async fn echo(mut request: Request) -> Response {
    let mut text = format!("{} {}\n", request.method(), request.target());
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_lowercase(), String::from_utf8_lossy(value).into_owned()))
        .filter(|(name, _)| name.starts_with("x-test-"))
        .collect();
    headers.sort();
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push('\n');
    let Ok(body) = request.bytes(1 << 20).await else { return Response::error(400, "") };
    Response::of("text/plain", [text.into_bytes(), body].concat())
}

/// The output of what does not wait.
fn at_once<F: Future>(work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    match work.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
