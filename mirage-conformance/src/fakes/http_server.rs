//! The test server that the HTTP suite needs, for [`FakeHttp`].

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::{pending, ready};

use super::http::{BrokenOff, FakeAnswer, FakeHttp, FakeRequest};
use super::runtime::FakeRuntime;
use super::signal::Signal;
use crate::http::HttpServer;

/// Where [`FakeHttp::for_suite`] has its test server.
pub const TEST_SERVER: HttpServer<'static> =
    HttpServer { base: "http://suite.test", nobody: Some("http://nobody.test/") };

#[derive(Default)]
struct State {
    under_way: RefCell<BTreeMap<String, usize>>,
    gone_on: RefCell<Vec<String>>,
    go: Signal,
}

/// A request that is under way until this is dropped.
struct UnderWay {
    state: Rc<State>,
    key: String,
}

impl UnderWay {
    fn new(state: &Rc<State>, key: &str) -> Self {
        *state.under_way.borrow_mut().entry(key.into()).or_default() += 1;
        Self { state: state.clone(), key: key.into() }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(count) = self.state.under_way.borrow_mut().get_mut(&self.key) {
            *count -= 1;
        }
    }
}

impl FakeHttp {
    /// A web with the test server of [the suite](crate::http) at [`TEST_SERVER`].
    pub fn for_suite(runtime: &FakeRuntime) -> Self {
        let web = Self::new(runtime);
        let state = Rc::new(State::default());
        web.serve(TEST_SERVER.base, move |request| answer(state.clone(), request));
        web
    }
}

async fn answer(state: Rc<State>, request: FakeRequest) -> FakeAnswer {
    let path = request.path.as_str();
    let (word, key) = path.trim_start_matches('/').split_once('/').unwrap_or((&path[1..], ""));
    match word {
        "hello" => {
            let answer = FakeAnswer::new(200, "hello, world\n");
            answer.header("Content-Type", "text/plain").header("X-Greeting", "Hello There")
        }
        "empty" => FakeAnswer::new(204, ""),
        "bytes" => FakeAnswer::new(200, (0..1_000_000_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>()),
        "slow" => slow(state, key.into()),
        "go" => {
            state.gone_on.borrow_mut().push(key.into());
            state.go.notify();
            FakeAnswer::new(204, "")
        }
        "broken" => {
            let mut pieces = [Some(Err(BrokenOff)), Some(Ok(b"ten bytes.".to_vec()))].into_iter().collect::<Vec<_>>();
            FakeAnswer { body: Box::new(move || Box::pin(ready(pieces.pop().flatten()))), ..FakeAnswer::new(200, "") }
        }
        "endless" => {
            let under_way = UnderWay::new(&state, key);
            let body = move || {
                let _ = &under_way;
                let piece: crate::poll::Boxed<'static, _> = Box::pin(ready(Some(Ok(b"and so on ".to_vec()))));
                piece
            };
            FakeAnswer { body: Box::new(body), ..FakeAnswer::new(200, "") }
        }
        "hang" => {
            let _under_way = UnderWay::new(&state, key);
            pending().await
        }
        "open" => {
            let count = state.under_way.borrow().get(key).copied().unwrap_or(0);
            FakeAnswer::new(200, format!("{count}"))
        }
        _ if path.starts_with("/echo") => echo(&request),
        _ => FakeAnswer::new(404, "nothing here\n"),
    }
}

fn slow(state: Rc<State>, key: String) -> FakeAnswer {
    let mut step = 0;
    let body = move || -> crate::poll::Boxed<'static, _> {
        step += 1;
        let (state, key, step) = (state.clone(), key.clone(), step);
        Box::pin(async move {
            match step {
                1 => Some(Ok(b"first\n".to_vec())),
                2 => {
                    state.go.until(|| state.gone_on.borrow().contains(&key).then_some(())).await;
                    Some(Ok(b"second\n".to_vec()))
                }
                _ => None,
            }
        })
    };
    FakeAnswer { body: Box::new(body), ..FakeAnswer::new(200, "") }
}

fn echo(request: &FakeRequest) -> FakeAnswer {
    let mut text = format!("{} {}\n", request.method, request.path);
    let mut headers: Vec<_> = request.headers.iter().filter(|(name, _)| name.starts_with("x-test-")).collect();
    headers.sort();
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push('\n');
    FakeAnswer::new(200, [text.as_bytes(), &request.body].concat())
}
