//! Requests and answers on one connection.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use common::{connect, limits, router, run};
use mirage_conformance::fakes::FakeRuntime;
use mirage_http::{BrokenOff, Event, Events, Limits, Piece, Request, Response, Router, pipe};
use mirage_sig::{Flow, Read, Sleep, Spawn, Write};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn an_answer_to_the_byte() {
    let answer = run(async |runtime| {
        let mut client = connect(&runtime, limits(), router());
        client.send(GET).await;
        client.answer().await
    });
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(answer, (head.into(), b"root\n".into()));
}

#[test]
fn the_date_is_told_as_the_clock_has_it() {
    run(async |runtime| {
        let mut client = connect(&runtime, Limits::default(), router());
        for date in ["Thu, 01 Jan 2026 00:00:0", "Thu, 01 Jan 2026 00:00:2"] {
            client.send(GET).await;
            let (head, _) = client.answer().await;
            assert!(head.contains(&format!("\r\nDate: {date}")), "{head}");
            runtime.sleep(Duration::from_secs(20)).await;
        }
    });
}

#[test]
fn requests_that_come_at_once_are_answered_in_their_order() {
    let names: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    let requests: String = names.iter().map(|name| format!("GET /hello/{name} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    run(async |runtime| {
        // Each answer later than the one before could be the sooner.
        let router = Router::new().get("/hello/:name", {
            let runtime = runtime.clone();
            async move |request: Request| {
                let number: u64 = request.param("name").unwrap().parse().unwrap();
                runtime.sleep(Duration::from_millis(200 - number)).await;
                format!("{number}")
            }
        });
        let mut client = connect(&runtime, limits(), router);
        let (mut reader, mut writer) = client.flow.split();
        let mut seen = Vec::new();
        let receiving = async {
            let mut buffer = [0; 500];
            while seen.windows(4).filter(|part| *part == b"\r\n\r\n").count() < 200 || !seen.ends_with(b"199") {
                let count = reader.read(&mut buffer).await.unwrap();
                assert!(count > 0);
                seen.extend_from_slice(&buffer[..count]);
            }
        };
        let (sent, ()) = mirage_conformance::poll::join(writer.write_all(requests.as_bytes()), receiving).await;
        sent.unwrap();
        client.seen = seen;
        for name in names {
            assert_eq!(client.answer().await.1, name.as_bytes());
        }
    });
}

#[test]
fn head_is_get_without_the_body() {
    run(async |runtime| {
        let mut client = connect(&runtime, limits(), router());
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nContent-Length: 5\r\n"), "{head}");
        client.send("HEAD /missing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let rest = client.rest().await;
        assert!(rest.starts_with("HTTP/1.1 404 ") && rest.ends_with("\r\n\r\n"), "{rest}");
    });
}

#[test]
fn a_client_that_waits_is_told_to_go_on_when_the_body_is_wanted() {
    run(async |runtime| {
        let mut client = connect(&runtime, limits(), router());
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
        assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
        client.send("body").await;
        assert_eq!(client.answer().await.1, b"body");
        // Nobody wants it: the answer comes at once, and the connection ends, as the client may send the body or not.
        client.send("PUT /ignore HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
        let rest = client.rest().await;
        assert!(rest.starts_with("HTTP/1.1 200 ") && rest.contains("Connection: close"), "{rest}");
    });
}

#[test]
fn the_router_says_what_is_allowed() {
    run(async |runtime| {
        let mut client = connect(&runtime, limits(), router());
        for (request, status, allow) in [
            ("DELETE /", "405", "GET, HEAD, OPTIONS"),
            ("OPTIONS /echo", "204", "POST, OPTIONS"),
            ("OPTIONS *", "204", "GET, HEAD, POST, PUT, OPTIONS"),
            ("OPTIONS /nowhere", "404", ""),
            ("PATCH /nowhere", "404", ""),
        ] {
            client.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            let (head, _) = client.answer().await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
            let told = head.lines().find_map(|line| line.strip_prefix("Allow: ")).unwrap_or("");
            assert_eq!(told, allow, "{request}");
        }
    });
}

#[test]
fn a_request_tells_what_it_asks_for() {
    run(async |runtime| {
        let handler = async |request: Request| {
            let value = request.query_value("q d").unwrap_or_default();
            format!("{} {} {} {value} {:?}", request.path(), request.target(), request.query(), request.header("X-a"))
        };
        let mut client = connect(&runtime, limits(), handler);
        client.send("GET http://h/a%20b?c=d&q+d=%c3%a9+x#\r\n").await;
        assert!(client.rest().await.starts_with("HTTP/1.1 400 "));
        let mut client = connect(&runtime, limits(), handler);
        client.send("GET http://h/a%20b?c=d&q+d=%c3%a9+x HTTP/1.1\r\nHost: h\r\nx-A: \t1 2 \r\n\r\n").await;
        let (_, body) = client.answer().await;
        let expected = "/a b /a%20b?c=d&q+d=%c3%a9+x c=d&q+d=%c3%a9+x é x Some(\"1 2\")";
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    });
}

/// An echo that answers while it reads: neither side ever has all of it.
fn streaming_echo() -> Router {
    Router::new().post("/", async |request: Request| {
        let mut body = request.into_body();
        Response::stream("x/y", None, async move || -> Piece {
            let mut part = vec![0; 100];
            let count = body.read(&mut part).await.map_err(|_| BrokenOff)?;
            part.truncate(count);
            Ok(Some(part).filter(|_| count > 0))
        })
    })
}

#[test]
fn a_body_can_be_read_while_the_answer_is_under_way() {
    run(async |runtime| {
        let mut client = connect(&runtime, limits(), streaming_echo());
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let head = client.head().await;
        assert!(head.contains("\r\nTransfer-Encoding: chunked\r\n"), "{head}");
        for word in ["one", "three", "sixteen letters!"] {
            client.send(format!("{:x}\r\n{word}\r\n", word.len())).await;
            assert_eq!(client.until(&format!("{word}\r\n")).await, format!("{:x}\r\n{word}\r\n", word.len()));
        }
        client.send("0\r\n\r\n").await;
        assert_eq!(client.until("0\r\n\r\n").await, "0\r\n\r\n");
        // Who waits to be told to go on is told before the answer begins, as within it there is no place.
        client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
        assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
        assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
        client.send("ab").await;
        assert_eq!(client.until("0\r\n\r\n").await, "2\r\nab\r\n0\r\n\r\n");
        // The connection is where it was.
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab").await;
        assert!(client.until("0\r\n\r\n").await.ends_with("\r\n\r\n2\r\nab\r\n0\r\n\r\n"));
        // HTTP/1.0 knows no chunks: the end of the connection is that of the body.
        client.send("POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab").await;
        let rest = client.rest().await;
        assert!(rest.ends_with("\r\nConnection: close\r\n\r\nab") && !rest.contains("chunked"), "{rest}");
    });
}

#[test]
fn a_stream_is_as_long_as_was_promised_or_cut() {
    for (length, pieces, expected) in
        [(3, &["a", "", "bc"][..], Some("abc")), (4, &["abc"], None), (2, &["abc"], None), (0, &["abc"], Some(""))]
    {
        let body = run(async |runtime| {
            let handler = async move |_: Request| {
                let mut left = pieces.iter();
                Response::stream("x/y", Some(length), async move || {
                    Ok(left.next().map(|piece| piece.as_bytes().into()))
                })
            };
            let client = connect(&runtime, limits(), handler);
            client.talk("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await
        });
        let (head, body) = body.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\nContent-Length: {length}\r\n")), "{head}");
        match expected {
            Some(expected) => assert_eq!(body, expected),
            None => assert!((body.len() as u64) < length, "{body:?} for {length}"),
        }
    }
}

#[test]
fn a_broken_stream_does_not_look_whole() {
    let text = run(async |runtime| {
        let handler = async |_: Request| {
            let (mut writer, reader) = pipe(100);
            writer.write_all(b"half").await.unwrap();
            writer.break_off();
            Response::stream("x/y", None, reader)
        };
        connect(&runtime, limits(), handler).talk(GET).await
    });
    assert!(text.ends_with("\r\n\r\n"), "{text}");
}

#[test]
fn a_handler_is_dropped_when_its_client_goes_away() {
    struct Alarm(Rc<Cell<bool>>);
    impl Drop for Alarm {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    run(async |runtime| {
        let dropped = Rc::new(Cell::new(false));
        let clone = dropped.clone();
        let handler = async move |_: Request| -> Response {
            let _alarm = Alarm(clone.clone());
            std::future::pending().await
        };
        let mut client = connect(&runtime, limits(), handler);
        client.send(GET).await;
        runtime.sleep(Duration::from_secs(60)).await;
        assert!(!dropped.get());
        drop(client);
        // It might only have ended its side.
        runtime.sleep(Duration::from_secs(3)).await;
        assert!(dropped.get());
        assert_eq!(runtime.tasks(), 0);
    });
}

#[test]
fn a_client_that_ends_its_side_still_gets_its_answer() {
    run(async |runtime| {
        let clock = runtime.clone();
        let handler = async move |mut request: Request| {
            let text = request.text(100).await?;
            clock.sleep(Duration::from_secs(1)).await;
            Ok::<_, mirage_http::BodyError>(text)
        };
        let mut client = connect(&runtime, limits(), handler);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nword").await;
        client.flow.shutdown().await.unwrap();
        assert!(client.rest().await.ends_with("\r\n\r\nword"));
        // Half a body is no request.
        let mut client = connect(&runtime, limits(), router());
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nwo").await;
        client.flow.shutdown().await.unwrap();
        assert_eq!(client.rest().await, "");
    });
}

#[test]
fn a_body_is_not_read_beyond_its_request() {
    run(async |runtime| {
        let kept = Rc::new(RefCell::new(None));
        let keep = kept.clone();
        let handler = async move |request: Request| {
            keep.replace(Some(request.into_body()));
            "kept"
        };
        let mut client = connect(&runtime, limits(), handler);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcPOST / HTTP/1.1\r\nHost: a\r\n").await;
        assert_eq!(client.answer().await.1, b"kept");
        let mut body = kept.take().unwrap();
        assert_eq!(body.read(&mut [0; 9]).await, Err(mirage_http::BodyError::Over));
        client.send("\r\n").await;
        assert_eq!(client.answer().await.1, b"kept");
    });
}

#[test]
fn a_body_that_is_too_long_for_a_handler_is_413() {
    run(async |runtime| {
        let handler = async |mut request: Request| request.text(5).await;
        for (body, expected) in [("12345", "HTTP/1.1 200 "), ("123456", "HTTP/1.1 413 ")] {
            let mut client = connect(&runtime, limits(), handler);
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
            assert!(client.head().await.starts_with(expected), "{body}");
        }
        let mut client = connect(&runtime, limits(), handler);
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\xff").await;
        assert!(client.head().await.starts_with("HTTP/1.1 415 "));
    });
}

#[test]
fn a_status_that_is_none_is_500() {
    run(async |runtime| {
        for status in [0, 42, 100, 199, 600, 65_535] {
            let handler = async move |_: Request| Response::new(status);
            let mut client = connect(&runtime, limits(), handler);
            client.send(GET).await;
            assert!(client.head().await.starts_with("HTTP/1.1 500 "), "{status}");
        }
        let mut client = connect(&runtime, limits(), async |_: Request| Response::new(299));
        client.send(GET).await;
        assert_eq!(client.head().await, "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n");
    });
}

#[test]
fn a_header_of_two_lines_becomes_no_other_header() {
    run(async |runtime| {
        let handler = async |request: Request| {
            let told = request.query_value("to").unwrap_or_default();
            Response::see_other(&told).with_header("Content-Length", "7").with_header("Connection", "upgrade")
        };
        let mut client = connect(&runtime, limits(), handler);
        client.send("GET /?to=/x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.head().await, "HTTP/1.1 303 See Other\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
        client.send("GET /?to=/x%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (head, _) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 500 ") && !head.contains("Cookie"), "{head}");
    });
}

async fn count(runtime: FakeRuntime, mut events: Events, ended: Rc<Cell<bool>>) {
    for number in 0.. {
        let data = format!("{number}\nsecond line");
        if events.send(Event { name: "count", id: "7\nx", data: &data }).await.is_err() {
            break;
        }
        runtime.sleep(Duration::from_secs(20)).await;
    }
    ended.set(true);
}

#[test]
fn events_come_as_they_happen_and_comments_between_them() {
    run(async |runtime| {
        let ended = Rc::new(Cell::new(false));
        let router = Router::new().get("/events", {
            let (runtime, ended) = (runtime.clone(), ended.clone());
            async move |_| {
                let (events, response) = Events::new();
                drop(runtime.spawn(count(runtime.clone(), events, ended.clone())));
                response
            }
        });
        let mut client = connect(&runtime, limits(), router);
        client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(client.head().await.contains("\r\nContent-Type: text/event-stream\r\n"));
        let event = "event: count\nid: 7\ndata: 0\ndata: second line\n\n";
        assert_eq!(client.until("\n\n\r\n").await, format!("{:x}\r\n{event}\r\n", event.len()));
        assert_eq!(client.until("\n\n\r\n").await, "3\r\n:\n\n\r\n");
        assert_eq!(client.until("\n\n\r\n").await, format!("{:x}\r\n{}\r\n", event.len(), event.replace('0', "1")));
        assert!(!ended.get());
        drop(client);
        runtime.sleep(Duration::from_secs(40)).await;
        assert!(ended.get());
    });
}

#[test]
fn the_other_side_of_a_pipe() {
    run(async |runtime| {
        let (mut writer, mut source) = pipe(4);
        let reading = runtime.spawn(async move {
            let mut pieces = Vec::new();
            while let Some(piece) = mirage_http::Source::next(&mut source).await.unwrap() {
                assert!(piece.len() <= 4);
                pieces.extend(piece);
            }
            pieces
        });
        writer.write_all(b"more than four").await.unwrap();
        drop(writer);
        assert_eq!(reading.await.unwrap(), b"more than four");
        let (mut writer, reader) = pipe(4);
        drop(reader);
        assert!(writer.write(b"x").await.is_err());
        writer.closed().await;
    });
}
