//! The client against our server and against servers of a few bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod common;
mod suite_server;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use common::{limits, router, run};
use mirage_conformance::fakes::{FakeFlow, FakeInternet, FakeRuntime, FakeStack};
use mirage_conformance::http::{self, HttpServer};
use mirage_http::{Client, ClientLimits, Limits, Piece, Request, Router, serve};
use mirage_sig::{
    Cidr, HttpClient, HttpError, HttpErrorKind, HttpRequest, Listener, Method, Read, Runtime, Sleep, Spawn, Stack,
    Write,
};

type TestClient = Client<FakeRuntime, FakeStack>;

/// Two hosts: the client's, and one on which `serve` runs with its listener on port 80.
async fn hosts<F>(
    runtime: &FakeRuntime,
    limits: ClientLimits,
    serve: impl FnOnce(FakeRuntime, FakeStack) -> F,
) -> TestClient
where
    F: Future<Output = ()> + 'static,
{
    let internet = FakeInternet::new(runtime);
    let stack = |host: u8| internet.stack(Cidr { address: [192, 0, 2, host].into(), prefix: 24 });
    internet.set_name("suite.test", &[[192, 0, 2, 2].into()]);
    internet.set_name("two.test", &[[192, 0, 2, 1].into(), [192, 0, 2, 2].into()]);
    let (ours, theirs) = (stack(1), stack(2));
    ours.configured().await.unwrap();
    drop(runtime.spawn(serve(runtime.clone(), theirs)));
    Client::new(runtime, ours, limits)
}

/// A client, and our server with this router.
async fn with_router(runtime: &FakeRuntime, router: Router) -> TestClient {
    let serving = async move |runtime: FakeRuntime, stack: FakeStack| {
        serve(&runtime, stack.listen(80, 8).unwrap(), limits(), router).await.unwrap();
    };
    hosts(runtime, ClientLimits::default(), serving).await
}

/// What a server answers, connection by connection.
type Answers = &'static [&'static [&'static str]];

/// The heads that a server was sent.
type Seen = Rc<RefCell<Vec<String>>>;

/// A client, and a server that answers every head that comes with these bytes, on as many connections as there are texts.
/// After the last of a connection's it ends that.
async fn with_bytes(runtime: &FakeRuntime, limits: ClientLimits, answers: Answers) -> (TestClient, Seen) {
    let seen = Seen::default();
    let log = seen.clone();
    let serving = async move |runtime: FakeRuntime, stack: FakeStack| {
        let mut listener = stack.listen(80, 8).unwrap();
        for answers in answers {
            let flow = listener.accept().await.unwrap();
            drop(runtime.spawn(answer(flow, answers, log.clone())));
        }
        std::future::pending().await
    };
    (hosts(runtime, limits, serving).await, seen)
}

async fn answer(mut flow: FakeFlow, answers: &[&str], seen: Seen) {
    let mut text = Vec::new();
    for answer in answers {
        let begun = text.len();
        while !text[begun..].ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if flow.read(&mut byte).await.unwrap_or(0) == 0 {
                return;
            }
            text.push(byte[0]);
        }
        seen.borrow_mut().push(String::from_utf8(text[begun..].to_vec()).unwrap());
        let _ = flow.write_all(answer.as_bytes()).await;
    }
}

async fn get(client: &TestClient, path: &str) -> Result<(u16, Vec<u8>), HttpErrorKind> {
    let url = format!("http://suite.test{path}");
    let mut answer = client.request(HttpRequest::get(&url)).await.map_err(|error| error.http_kind())?;
    let mut all = Vec::new();
    let mut buffer = [0; 300];
    loop {
        match answer.body.read(&mut buffer).await {
            Ok(0) => return Ok((answer.status, all)),
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) => {
                // It stays one.
                assert_eq!(answer.body.read(&mut buffer).await, Err(error.clone()));
                return Err(error.http_kind());
            }
        }
    }
}

#[test]
fn the_suite() {
    run(async |runtime| {
        let client = with_router(&runtime, suite_server::router()).await;
        let server = HttpServer { base: "http://suite.test", nobody: Some("http://suite.test:1/") };
        // On the heap, as in a debug build it is copied several times, and a test's stack is small.
        Box::pin(http::suite(&runtime, &client, server)).await.unwrap_or_else(|violation| panic!("{violation}"));
    });
}

#[test]
fn connections_are_used_again_while_they_last() {
    run(async |runtime| {
        const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let (client, seen) = with_bytes(&runtime, ClientLimits::default(), &[&[OK; 3], &[OK; 9]]).await;
        for _ in 0..3 {
            assert_eq!(get(&client, "/").await, Ok((200, b"ok".to_vec())));
        }
        // The server has ended the first one.
        assert_eq!(get(&client, "/new").await, Ok((200, b"ok".to_vec())));
        assert_eq!(seen.borrow().len(), 4);
        assert_eq!(seen.borrow()[3], "GET /new HTTP/1.1\r\nHost: suite.test\r\n\r\n");
        // What is idle for too long is ended, without anybody asking.
        assert_eq!(runtime.tasks(), 3);
        runtime.sleep(Duration::from_secs(16)).await;
        assert_eq!(runtime.tasks(), 1, "only the server accepts still");
    });
}

#[test]
fn a_connection_that_ends_in_between_is_tried_again_if_that_may_be() {
    // The server reads the second request, and ends the connection without an answer.
    const DROPS: &[&[&str]] = &[
        &["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""],
        &["HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"],
    ];
    run(async |runtime| {
        let (client, _) = with_bytes(&runtime, ClientLimits::default(), DROPS).await;
        assert_eq!(get(&client, "/").await, Ok((200, vec![])));
        assert_eq!(get(&client, "/").await, Ok((201, vec![])));

        let (client, _) = with_bytes(&runtime, ClientLimits::default(), DROPS).await;
        assert_eq!(get(&client, "/").await, Ok((200, vec![])));
        let post = HttpRequest { method: Method::Post, ..HttpRequest::get("http://suite.test/") };
        let error = client.request(post).await.unwrap_err();
        assert_eq!(error.http_kind(), HttpErrorKind::Unreachable);
        assert_eq!(
            error.to_string(),
            "http://suite.test/: the server ended the connection without an answer: ask again"
        );
    });
}

#[test]
fn bodies_end_where_they_end() {
    type Seen = Result<(u16, &'static str), HttpErrorKind>;
    let table: &[(Answers, Seen)] = &[
        (&[&["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"]], Ok((200, "abc"))),
        (&[&["HTTP/1.1 200 OK\r\n\r\nuntil the end"]], Ok((200, "until the end"))),
        (&[&["HTTP/1.0 200 OK\r\n\r\nuntil the end"]], Ok((200, "until the end"))),
        (&[&["HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"]], Ok((200, ""))),
        (&[&["HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 Hints\r\nx: y\r\n\r\nHTTP/1.1 204 No\r\n\r\n"]], Ok((204, ""))),
        (&[&["HTTP/1.1 304 No\r\nContent-Length: 10\r\n\r\n"]], Ok((304, ""))),
        (
            &[&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nt: u\r\n\r\n"]],
            Ok((200, "abc")),
        ),
        (
            &[&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n1\r\nc\r\n0\r\n\r\n"]],
            Ok((200, "c")),
        ),
        (&[&["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc"]], Err(HttpErrorKind::Broken)),
        (&[&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"]], Err(HttpErrorKind::Broken)),
        (
            &[&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n"]],
            Err(HttpErrorKind::Broken),
        ),
        (&[&["HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx"]], Err(HttpErrorKind::Unreachable)),
        (&[&["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"]], Err(HttpErrorKind::Unreachable)),
        (&[&["HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nx"]], Err(HttpErrorKind::Unreachable)),
        (&[&["HTTP/1.1 99 OK\r\n\r\n"]], Err(HttpErrorKind::Unreachable)),
        (&[&["HTTP/1.1 600 OK\r\n\r\n"]], Err(HttpErrorKind::Unreachable)),
        (&[&["HTTP/2 200 OK\r\n\r\n"]], Err(HttpErrorKind::Unreachable)),
        (&[&["SSH-2.0-x\r\n\r\n"]], Err(HttpErrorKind::Unreachable)),
        (&[&["HTTP/1.1 101 Switching\r\n\r\n"]], Err(HttpErrorKind::Unreachable)),
        (&[&["HTTP/1.1 200 OK\r\nname"]], Err(HttpErrorKind::Unreachable)),
        (&[&[""]], Err(HttpErrorKind::Unreachable)),
    ];
    for (answers, expected) in table {
        let seen = run(async |runtime| {
            let (client, _) = with_bytes(&runtime, ClientLimits::default(), answers).await;
            get(&client, "/").await
        });
        assert_eq!(seen, expected.map(|(status, body)| (status, body.as_bytes().to_vec())), "{answers:?}");
    }
}

#[test]
fn a_line_that_goes_on_is_mended() {
    run(async |runtime| {
        let answer: &[&[&str]] = &[&["HTTP/1.1 200 OK\r\nX-Long: one\r\n  two \r\nContent-Length: 0\r\n\r\n"]];
        let (client, _) = with_bytes(&runtime, ClientLimits::default(), answer).await;
        let answer = client.request(HttpRequest::get("http://suite.test/")).await.unwrap();
        assert_eq!(answer.header("x-long"), Some("one two"));
    });
}

#[test]
fn a_server_has_its_time_and_its_bounds() {
    run(async |runtime| {
        let serving = async |_: FakeRuntime, stack: FakeStack| {
            let mut listener = stack.listen(80, 8).unwrap();
            let mut flows = Vec::new();
            loop {
                let mut flow = listener.accept().await.unwrap();
                let head = match flows.len() {
                    0 => String::new(),
                    1 => "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na".into(),
                    _ => format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(20_000)),
                };
                let _ = flow.write_all(head.as_bytes()).await;
                flows.push(flow);
            }
        };
        let client = hosts(&runtime, ClientLimits::default(), serving).await;
        assert_eq!(get(&client, "/").await, Err(HttpErrorKind::Unreachable));
        assert_eq!(get(&client, "/").await, Err(HttpErrorKind::Broken));
        let error = client.request(HttpRequest::get("http://suite.test/")).await.unwrap_err();
        assert_eq!(error.to_string(), "http://suite.test/: the answer's head is too long");
    });
}

#[test]
fn an_answer_that_comes_before_the_request_was_taken() {
    run(async |runtime| {
        let limits = Limits { body: 1_000, ..limits() };
        let serving = async move |runtime: FakeRuntime, stack: FakeStack| {
            serve(&runtime, stack.listen(80, 8).unwrap(), limits, router()).await.unwrap();
        };
        let client = hosts(&runtime, ClientLimits::default(), serving).await;
        let body = vec![b'x'; 50_000];
        let post = HttpRequest { method: Method::Post, body: &body, ..HttpRequest::get("http://suite.test/echo") };
        assert_eq!(client.request(post).await.unwrap().status, 413);
    });
}

#[test]
fn bodies_that_come_piece_by_piece_go_so() {
    run(async |runtime| {
        let handler = Router::new().post("/", async |mut request: Request| {
            let chunked = request.header("transfer-encoding").is_some();
            request.bytes(1 << 20).await.map(|body| format!("{chunked} {}", body.len()))
        });
        let client = with_router(&runtime, handler).await;
        for (length, expected) in [(None, "true 50000"), (Some(50_000), "false 50000")] {
            let mut left = 5;
            let mut source = async move || -> Piece {
                left -= 1;
                Ok((left >= 0).then(|| vec![b'x'; 10_000]))
            };
            let request = HttpRequest { method: Method::Post, ..HttpRequest::get("http://suite.test/") };
            let mut answer = client.upload(request, length, &mut source).await.unwrap();
            let mut text = vec![0; expected.len()];
            answer.body.read_exact(&mut text).await.unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
        for length in [49_999, 50_001] {
            let mut left = 5;
            let mut source = async move || -> Piece {
                left -= 1;
                Ok((left >= 0).then(|| vec![b'x'; 10_000]))
            };
            let request = HttpRequest { method: Method::Post, ..HttpRequest::get("http://suite.test/") };
            let error = client.upload(request, Some(length), &mut source).await.unwrap_err();
            assert_eq!(error.http_kind(), HttpErrorKind::Invalid, "{length}");
        }
    });
}

#[test]
fn who_cannot_be_reached() {
    run(async |runtime| {
        let client = with_router(&runtime, router()).await;
        for (url, kind, words) in [
            ("https://suite.test/", HttpErrorKind::Invalid, "https is not spoken"),
            ("http://nobody.test/", HttpErrorKind::Unreachable, "the name has no address"),
            ("http://192.0.2.99/", HttpErrorKind::Unreachable, "no answer"),
            ("http://suite.test:81/", HttpErrorKind::Unreachable, "nobody listens"),
        ] {
            let error = client.request(HttpRequest::get(url)).await.unwrap_err();
            assert_eq!(error.http_kind(), kind, "{url}");
            let text = error.to_string();
            assert!(text.starts_with(url) && text.contains(words), "{text}");
        }
        // Of two addresses the second one answers.
        assert_eq!(client.request(HttpRequest::get("http://two.test/")).await.unwrap().status, 200);
        let patient =
            runtime.timeout(Duration::from_secs(1), client.request(HttpRequest::get("http://192.0.2.99/"))).await;
        assert!(patient.is_err());
    });
}
