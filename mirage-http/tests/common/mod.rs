//! A server and a client of bytes, on a virtual clock.
#![allow(dead_code, reason = "each test uses some of it")]

use std::time::Duration;

use mirage_conformance::fakes::{FakeFlow, FakeRuntime};
use mirage_http::{Handler, Limits, Request, Response, Router, serve_flow};
use mirage_sig::{Flow, Read, Runtime, Spawn, Write};

/// What no test waits for longer than.
pub const PATIENCE: Duration = Duration::from_secs(3_600);

/// Limits without a date, so that answers are the same every time.
pub fn limits() -> Limits {
    Limits { date: false, ..Limits::default() }
}

/// Runs a test on a virtual clock.
pub fn run<T>(test: impl AsyncFnOnce(FakeRuntime) -> T) -> T {
    let runtime = FakeRuntime::new();
    let test = test(runtime.clone());
    runtime.run(async { runtime.timeout(PATIENCE, test).await.expect("the test has waited for an hour") }).unwrap()
}

/// A connection to a server with this handler: the client's end.
pub fn connect(runtime: &FakeRuntime, limits: Limits, handler: impl Handler + 'static) -> Client {
    let (ours, theirs) = FakeFlow::pair(runtime, "192.0.2.1:50000".parse().unwrap(), "192.0.2.2:80".parse().unwrap());
    let server = runtime.clone();
    drop(runtime.spawn(async move { serve_flow(&server, theirs, limits, handler).await }));
    Client { flow: ours, runtime: runtime.clone(), seen: Vec::new() }
}

/// A client that speaks in bytes.
pub struct Client {
    pub flow: FakeFlow,
    pub runtime: FakeRuntime,
    /// What has come and was not taken.
    pub seen: Vec<u8>,
}

impl Client {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.flow.write_all(bytes.as_ref()).await.expect("the server is there to read");
    }

    /// More bytes; false at the end, however it came.
    pub async fn more(&mut self) -> bool {
        let mut buffer = [0; 4_096];
        let count = self.flow.read(&mut buffer).await.unwrap_or(0);
        self.seen.extend_from_slice(&buffer[..count]);
        count > 0
    }

    /// All that comes until the connection ends.
    pub async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.seen)).into_owned()
    }

    /// All up to and with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.seen.windows(end.len()).position(|part| part == end.as_bytes()) {
                let rest = self.seen.split_off(at + end.len());
                return String::from_utf8_lossy(&std::mem::replace(&mut self.seen, rest)).into_owned();
            }
            assert!(self.more().await, "{end:?} has not come, but {:?}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// The next answer's head, up to its empty line.
    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// The next answer, whose length is told: its head and its body.
    pub async fn answer(&mut self) -> (String, Vec<u8>) {
        let head = self.head().await;
        let length =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |text| text.parse().unwrap());
        while self.seen.len() < length {
            assert!(self.more().await, "the body has broken off");
        }
        let rest = self.seen.split_off(length);
        (head, std::mem::replace(&mut self.seen, rest))
    }

    /// Sends bytes, ends nothing, and gives all that comes back until the server ends the connection.
    pub async fn talk(mut self, bytes: impl AsRef<[u8]>) -> String {
        let (mut reader, mut writer) = self.flow.split();
        let mut all = Vec::new();
        let sending = async {
            // A server that has refused reads no further.
            let _ = writer.write_all(bytes.as_ref()).await;
        };
        let receiving = async {
            let mut buffer = [0; 1_000];
            while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                all.extend_from_slice(&buffer[..count]);
            }
        };
        mirage_conformance::poll::join(sending, receiving).await;
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// A server with a path for everything: what comes back says what came in.
pub fn router() -> Router {
    Router::new()
        .get("/", async |_| "root\n")
        .get("/hello/:name", async |request: Request| format!("hello, {}\n", request.param("name").unwrap()))
        .post("/echo", async |mut request: Request| request.bytes(1 << 20).await.map(|body| Response::of("x/y", body)))
        .put("/ignore", async |_| "ignored\n")
}

/// The status of the first answer in these bytes; 0 if there is none.
pub fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
