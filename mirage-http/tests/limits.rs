//! Clients that are slow, endless, or never read: bounded, and ended.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod common;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use common::{Client, connect, limits, router, run, status};
use mirage_conformance::fakes::{FakeFlow, FakeInternet, FakeRuntime, FakeStack};
use mirage_http::{Limits, Piece, Request, Response, Router, Stop, serve_until};
use mirage_sig::{
    Cidr, Flow, Instant, Listener, MonotonicClock, NetError, NetErrorKind, Read, Runtime, Sleep, Spawn, Stack, Write,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Whether so much time has passed since then, give or take a little.
fn about(runtime: &FakeRuntime, since: Instant, seconds: u64) {
    let passed = runtime.now() - since;
    let expected = Duration::from_secs(seconds);
    assert!(passed >= expected && passed < expected + Duration::from_secs(1), "{passed:?}, not {expected:?}");
}

/// Sends a byte of `text` each second, as long as it is taken, and gives what comes back.
async fn drip(client: &mut Client, runtime: &FakeRuntime, text: &[u8]) -> String {
    let (mut reader, mut writer) = client.flow.split();
    let dripping = async {
        for byte in text {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            runtime.sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut seen = Vec::new();
    let receiving = async {
        let mut buffer = [0; 500];
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            seen.extend_from_slice(&buffer[..count]);
        }
    };
    mirage_conformance::poll::race(dripping, receiving).await;
    String::from_utf8(seen).unwrap()
}

#[test]
fn a_head_has_its_time() {
    run(async |runtime| {
        let mut client = connect(&runtime, limits(), router());
        let start = runtime.now();
        let answer = drip(&mut client, &runtime, "GET / HTTP/1.1\r\nHost: a.very.long.name\r\n\r\n".as_bytes()).await;
        about(&runtime, start, 10);
        assert_eq!(status(&answer), 408, "{answer}");

        // Where nothing came at all, there is nothing to answer.
        let mut client = connect(&runtime, limits(), router());
        let start = runtime.now();
        assert_eq!(client.rest().await, "");
        about(&runtime, start, 10);
    });
}

#[test]
fn an_idle_connection_has_its_time() {
    run(async |runtime| {
        let mut client = connect(&runtime, limits(), router());
        client.send(GET).await;
        client.answer().await;
        let start = runtime.now();
        assert_eq!(client.rest().await, "");
        about(&runtime, start, 30);
    });
}

#[test]
fn a_body_has_its_time_however_it_drips() {
    run(async |runtime| {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";
        let mut client = connect(&runtime, limits(), router());
        client.send(head).await;
        let start = runtime.now();
        let answer = drip(&mut client, &runtime, &[b'x'; 1000]).await;
        about(&runtime, start, 15);
        assert_eq!(status(&answer), 408, "{answer}");

        // Slow, and not too slow.
        let mut client = connect(&runtime, limits(), router());
        client.send(head).await;
        for _ in 0..2 {
            runtime.sleep(Duration::from_secs(14)).await;
            client.send([b'x'; 512]).await;
        }
        assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn what_is_too_much_is_refused() {
    let many = "x: y\r\n".repeat(65);
    let just = "x: y\r\n".repeat(63);
    let table = [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(4_095)), 404),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(4_096)), 414),
        (format!("GET /{}", "x".repeat(1_000_000)), 414),
        ("x".repeat(1_000_000), 501),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}", "x".repeat(1_000_000)), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "x".repeat(8_192 - 32)), 200),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "x".repeat(8_192 - 31)), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{just}\r\n"), 200),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
        (format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\n{}", "x".repeat(1_000_001)), 200),
        (
            format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                "1\r\nx\r\n".repeat(300_000)
            ),
            413,
        ),
        (
            format!("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "x".repeat(1_000_000)),
            400,
        ),
        (
            format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}",
                "x: y\r\n".repeat(100_000)
            ),
            431,
        ),
    ];
    for (request, expected) in table {
        let limits = Limits { body: if expected == 413 { 1_000 } else { 2 << 20 }, ..limits() };
        let answer = run(async |runtime| {
            let mut client = connect(&runtime, limits, router());
            let (mut reader, mut writer) = client.flow.split();
            let sending = async {
                let _ = writer.write_all(request.as_bytes()).await;
                std::future::pending::<()>().await;
            };
            let mut seen = Vec::new();
            let receiving = async {
                let mut buffer = [0; 500];
                while !seen.ends_with(b"\r\n\r\n")
                    && let Ok(count @ 1..) = reader.read(&mut buffer).await
                {
                    seen.extend_from_slice(&buffer[..count]);
                    if seen.len() > 12 {
                        break;
                    }
                }
            };
            mirage_conformance::poll::race(sending, receiving).await;
            String::from_utf8_lossy(&seen).into_owned()
        });
        assert_eq!(status(&answer), expected, "{:?}: {answer}", &request[..60.min(request.len())]);
    }
}

/// Bytes without end.
fn endless() -> Router {
    Router::new().get("/", async |_| Response::stream("x/y", None, async || -> Piece { Ok(Some(vec![b'x'; 5_000])) }))
}

#[test]
fn a_client_that_never_reads_is_cut_off() {
    run(async |runtime| {
        let mut client = connect(&runtime, limits(), endless());
        client.send(GET).await;
        runtime.sleep(Duration::from_secs(25)).await;
        assert_eq!(runtime.tasks(), 1);
        runtime.sleep(Duration::from_secs(10)).await;
        assert_eq!(runtime.tasks(), 0, "the connection is still served");
    });
}

#[test]
fn a_client_that_sends_without_end_after_its_answer_is_cut_off() {
    run(async |runtime| {
        let client = connect(&runtime, limits(), router());
        let start = runtime.now();
        let answer = client
            .talk(format!("PUT /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{}", "x".repeat(900_000)))
            .await;
        assert_eq!(status(&answer), 200);
        assert!(runtime.now() - start < Duration::from_secs(20));
        assert_eq!(runtime.tasks(), 0);
    });
}

#[test]
fn a_connection_has_so_many_requests() {
    run(async |runtime| {
        let client = connect(&runtime, Limits { requests: 3, ..limits() }, router());
        let text = client.talk(GET.repeat(5)).await;
        assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3);
        assert_eq!(text.matches("Connection: close").count(), 1);
    });
}

/// A server on a network, and the stack of its clients.
async fn network(runtime: &FakeRuntime, limits: Limits, router: Router, stop: &Stop) -> FakeStack {
    let internet = FakeInternet::new(runtime);
    let stack = |host: u8| internet.stack(Cidr { address: [192, 0, 2, host].into(), prefix: 24 });
    let (ours, theirs) = (stack(1), stack(2));
    ours.configured().await.unwrap();
    let listener = theirs.listen(80, 2).unwrap();
    let (server, stop) = (runtime.clone(), stop.clone());
    drop(runtime.spawn(async move {
        let _stack = theirs;
        serve_until(&server, listener, limits, router, &stop).await.unwrap();
    }));
    ours
}

async fn dial(runtime: &FakeRuntime, stack: &FakeStack) -> Client {
    let flow = stack.connect("192.0.2.2:80".parse().unwrap()).await.unwrap();
    Client { flow, runtime: runtime.clone(), seen: Vec::new() }
}

#[test]
fn so_many_connections_and_the_others_wait_their_turn() {
    run(async |runtime| {
        let stop = Stop::new();
        let stack = network(&runtime, Limits { connections: 2, ..limits() }, router(), &stop).await;
        let (mut one, mut two, mut three) =
            (dial(&runtime, &stack).await, dial(&runtime, &stack).await, dial(&runtime, &stack).await);
        for client in [&mut one, &mut two, &mut three] {
            client.send(GET).await;
        }
        one.answer().await;
        two.answer().await;
        assert!(runtime.timeout(Duration::from_secs(5), three.head()).await.is_err(), "a third one was served");
        drop(one);
        three.answer().await;
        // Seats are used again and again.
        drop((two, three));
        for _ in 0..20 {
            let mut client = dial(&runtime, &stack).await;
            client.send(GET).await;
            client.answer().await;
        }
    });
}

#[test]
fn told_to_stop_idle_connections_end_and_requests_are_finished() {
    run(async |runtime| {
        let clock = runtime.clone();
        let router = router().get("/slow", async move |_: Request| {
            clock.sleep(Duration::from_secs(3)).await;
            "done\n"
        });
        let stop = Stop::new();
        let stack = network(&runtime, limits(), router, &stop).await;
        let (mut idle, mut slow) = (dial(&runtime, &stack).await, dial(&runtime, &stack).await);
        idle.send(GET).await;
        idle.answer().await;
        slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        runtime.sleep(Duration::from_secs(1)).await;
        let start = runtime.now();
        stop.stop();
        assert_eq!(idle.rest().await, "");
        about(&runtime, start, 0);
        assert!(stack.connect("192.0.2.2:80".parse().unwrap()).await.is_err());
        let answer = slow.rest().await;
        assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("done\n"), "{answer}");
        about(&runtime, start, 2);
        drop((idle, slow));
        runtime.sleep(Duration::from_secs(1)).await;
        assert_eq!(runtime.tasks(), 0);
    });
}

#[test]
fn told_to_stop_what_takes_too_long_is_cut_off() {
    run(async |runtime| {
        let stop = Stop::new();
        let stack = network(&runtime, limits(), endless(), &stop).await;
        let mut client = dial(&runtime, &stack).await;
        client.send(GET).await;
        client.head().await;
        let start = runtime.now();
        stop.stop();
        while client.more().await {}
        about(&runtime, start, 5);
        runtime.sleep(Duration::from_secs(1)).await;
        assert_eq!(runtime.tasks(), 0);
    });
}

/// A listener that says what is wrong with it, before and after it gives a connection.
struct Troubled {
    says: Vec<Result<FakeFlow, Trouble>>,
    asked: Rc<RefCell<Vec<Instant>>>,
    runtime: FakeRuntime,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Trouble(NetErrorKind);

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("there is trouble")
    }
}

impl std::error::Error for Trouble {}

impl NetError for Trouble {
    fn kind(&self) -> NetErrorKind {
        self.0
    }
}

impl Listener for Troubled {
    type Flow = FakeFlow;
    type Error = Trouble;

    async fn accept(&mut self) -> Result<FakeFlow, Trouble> {
        self.asked.borrow_mut().push(self.runtime.now());
        self.says.pop().unwrap()
    }

    fn local(&self) -> SocketAddr {
        "192.0.2.2:80".parse().unwrap()
    }
}

#[test]
fn a_listener_that_is_out_of_something_is_asked_again_later() {
    run(async |runtime| {
        let (ours, theirs) =
            FakeFlow::pair(&runtime, "192.0.2.1:50000".parse().unwrap(), "192.0.2.2:80".parse().unwrap());
        let mut client = Client { flow: ours, runtime: runtime.clone(), seen: Vec::new() };
        client.send(GET).await;
        let trouble = |kind| Err(Trouble(kind));
        let says = vec![
            trouble(NetErrorKind::Closed),
            Ok(theirs),
            trouble(NetErrorKind::Reset),
            trouble(NetErrorKind::Exhausted),
        ];
        let asked = Rc::new(RefCell::new(Vec::new()));
        let listener = Troubled { says, asked: asked.clone(), runtime: runtime.clone() };
        // What is under way is finished all the same.
        let (ended, answer) =
            mirage_conformance::poll::join(mirage_http::serve(&runtime, listener, limits(), router()), client.answer())
                .await;
        assert_eq!((ended, &answer.1[..]), (Err(Trouble(NetErrorKind::Closed)), &b"root\n"[..]));
        let asked = asked.take();
        assert_eq!(asked.len(), 4);
        assert!(asked[1] - asked[0] >= Duration::from_secs(1), "it was asked again at once");
        assert_eq!(asked[1], asked[2]);
    });
}

#[test]
fn nothing_is_left_of_a_thousand_connections() {
    run(async |runtime| {
        let stop = Stop::new();
        let stack = network(&runtime, Limits { connections: 8, ..limits() }, router(), &stop).await;
        for number in 0..1_000 {
            let mut client = dial(&runtime, &stack).await;
            // Some are dropped half-way.
            let text = if number % 3 == 0 { &GET[..10] } else { GET };
            client.send(text).await;
            if number % 3 == 1 {
                client.answer().await;
            }
        }
        runtime.sleep(Duration::from_secs(60)).await;
        assert_eq!(runtime.tasks(), 1);
        assert_eq!(runtime.timers(), 1, "only the test's own patience is left");
    });
}
