//! A store's values as files.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod common;

use common::{connect, limits, run};
use mirage_conformance::fakes::{FakeKv, FakeRuntime, FakeStore};
use mirage_http::{Router, Site, http_date};
use mirage_sig::{Key, KvRo, KvRw, Method};

fn large() -> Vec<u8> {
    (0..100_000_u32).map(|at| (at % 251) as u8).collect()
}

async fn files(runtime: &FakeRuntime) -> FakeKv {
    let store = FakeStore::new(runtime).handle();
    let large = large();
    for (key, value) in [
        ("index.html", &b"<h1>root</h1>"[..]),
        ("404.html", b"<h1>lost</h1>"),
        ("a/index.html", b"<h1>a</h1>"),
        ("a/b c.TXT", b"0123456789"),
        ("empty.css", b""),
        ("large.bin", &large),
        ("bare/x.js", b"x"),
    ] {
        store.set(&Key::new(key).unwrap(), value).await.unwrap();
    }
    store
}

/// Sends a request with these further header lines, and gives the answer's head and body.
async fn ask(runtime: &FakeRuntime, store: &FakeKv, request: &str, headers: &str) -> (String, Vec<u8>) {
    let router = Router::new().site("/", runtime.clone(), store.clone());
    let mut client = connect(runtime, limits(), router);
    client.send(format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n")).await;
    let head = client.head().await;
    while client.more().await {}
    (head, std::mem::take(&mut client.seen))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn status(head: &str) -> u16 {
    common::status(head)
}

#[test]
fn files_and_what_they_are() {
    run(async |runtime| {
        let store = files(&runtime).await;
        for (path, kind, body) in [
            ("/", "text/html; charset=utf-8", &b"<h1>root</h1>"[..]),
            ("/index.html?x", "text/html; charset=utf-8", b"<h1>root</h1>"),
            ("/a/", "text/html; charset=utf-8", b"<h1>a</h1>"),
            ("//a//", "text/html; charset=utf-8", b"<h1>a</h1>"),
            ("/a/b%20c.TXT", "text/plain; charset=utf-8", b"0123456789"),
            ("/empty.css", "text/css; charset=utf-8", b""),
            ("/bare/x.js", "text/javascript; charset=utf-8", b"x"),
            ("/large.bin", "application/octet-stream", &large()),
        ] {
            let (head, seen) = ask(&runtime, &store, &format!("GET {path}"), "").await;
            assert_eq!((status(&head), header(&head, "Content-Type")), (200, Some(kind)), "{path}");
            assert_eq!(header(&head, "Content-Length"), Some(body.len().to_string().as_str()), "{path}");
            assert_eq!(header(&head, "X-Content-Type-Options"), Some("nosniff"));
            assert!(seen == body, "{path}: another body");
            let (other, nothing) = ask(&runtime, &store, &format!("HEAD {path}"), "").await;
            assert_eq!((other, nothing), (head, vec![]), "{path}");
        }
    });
}

#[test]
fn what_is_not_there() {
    run(async |runtime| {
        let store = files(&runtime).await;
        for path in ["/missing", "/bare/", "/bare", "/a/b%20c.TXT/", "/index.html/x", "/a/b%0ac", "/a/%e2%80%a8"] {
            let (head, body) = ask(&runtime, &store, &format!("GET {path}"), "").await;
            if path.contains("%0a") {
                assert_eq!(status(&head), 400, "{path}");
            } else {
                assert_eq!((status(&head), &body[..]), (404, &b"<h1>lost</h1>"[..]), "{path}");
            }
        }
        let (head, _) = ask(&runtime, &store, "DELETE /", "").await;
        assert_eq!((status(&head), header(&head, "Allow")), (405, Some("GET, HEAD, OPTIONS")));
    });
}

#[test]
fn a_directory_is_shown_under_its_slash() {
    run(async |runtime| {
        let store = files(&runtime).await;
        for (path, location) in [("/a", "/a/"), ("/a?x=%20", "/a/?x=%20"), ("//a", "/a/")] {
            let (head, _) = ask(&runtime, &store, &format!("GET {path}"), "").await;
            assert_eq!((status(&head), header(&head, "Location")), (308, Some(location)), "{path}");
        }
        // Under a prefix, and from a dictionary of the store.
        let site = Site::new(runtime.clone(), store.clone()).with_root(Key::new("a").unwrap());
        let router = Router::new().mount(Some(Method::Get), "/files/*", site.with_cache_control("max-age=60"));
        let mut client = connect(&runtime, limits(), router);
        client.send("GET /files/ HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (head, body) = client.answer().await;
        assert_eq!((header(&head, "Cache-Control"), &body[..]), (Some("max-age=60"), &b"<h1>a</h1>"[..]));
        client.send("GET /files/../../404.html HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(status(&client.head().await), 400);
    });
}

#[test]
fn conditions() {
    run(async |runtime| {
        let store = files(&runtime).await;
        let (head, _) = ask(&runtime, &store, "GET /", "").await;
        let tag = header(&head, "ETag").unwrap();
        let date = header(&head, "Last-Modified").unwrap();
        let modified = store.last_modified(&Key::new("index.html").unwrap()).await.unwrap();
        assert_eq!(date.as_bytes(), http_date(modified));
        let before = String::from_utf8(http_date(modified - std::time::Duration::from_secs(1)).into()).unwrap();
        let after = String::from_utf8(http_date(modified + std::time::Duration::from_secs(1)).into()).unwrap();
        for (headers, expected) in [
            (format!("If-None-Match: {tag}\r\n"), 304),
            (format!("If-None-Match: W/{tag}\r\n"), 304),
            (format!("If-None-Match: \"x\", {tag}\r\n"), 304),
            (format!("If-None-Match: \"x\"\r\nIf-None-Match: {tag}\r\n"), 304),
            ("If-None-Match: *\r\n".into(), 304),
            ("If-None-Match: \"x\"\r\n".into(), 200),
            (format!("If-Modified-Since: {date}\r\n"), 304),
            (format!("If-Modified-Since: {after}\r\n"), 304),
            (format!("If-Modified-Since: {before}\r\n"), 200),
            ("If-Modified-Since: yesterday\r\n".into(), 200),
            // The tag is the better one, and the date is not looked at then.
            (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}\r\n"), 200),
            (format!("If-Match: {tag}\r\n"), 200),
            ("If-Match: *\r\n".into(), 200),
            (format!("If-Match: W/{tag}\r\n"), 412),
            ("If-Match: \"x\"\r\n".into(), 412),
            (format!("If-Unmodified-Since: {date}\r\n"), 200),
            (format!("If-Unmodified-Since: {before}\r\n"), 412),
            (format!("If-Match: {tag}\r\nIf-Unmodified-Since: {before}\r\n"), 200),
            (format!("If-Match: {tag}\r\nIf-None-Match: {tag}\r\n"), 304),
        ] {
            let (head, body) = ask(&runtime, &store, "GET /", &headers).await;
            assert_eq!(status(&head), expected, "{headers}");
            if expected == 304 {
                assert_eq!((header(&head, "ETag"), body), (Some(tag), vec![]), "{headers}");
                assert_eq!(header(&head, "Content-Length"), None);
            }
        }
        // Another value has another tag.
        store.set(&Key::new("index.html").unwrap(), b"<h1>new</h1>").await.unwrap();
        let (head, _) = ask(&runtime, &store, "GET /", &format!("If-None-Match: {tag}\r\n")).await;
        assert_eq!(status(&head), 200);
    });
}

#[test]
fn parts() {
    run(async |runtime| {
        let store = files(&runtime).await;
        let (head, _) = ask(&runtime, &store, "GET /large.bin", "").await;
        let (tag, date) = (header(&head, "ETag").unwrap(), header(&head, "Last-Modified").unwrap());
        for (headers, expected) in [
            ("Range: bytes=0-0\r\n".into(), Some((0, 0))),
            ("Range: bytes=50000-\r\n".into(), Some((50_000, 99_999))),
            ("Range: bytes=10-40000\r\n".into(), Some((10, 40_000))),
            ("Range: bytes=99999-200000\r\n".into(), Some((99_999, 99_999))),
            ("Range: bytes=-17\r\n".into(), Some((99_983, 99_999))),
            ("Range: bytes=-200000\r\n".into(), Some((0, 99_999))),
            (format!("Range: bytes=1-2\r\nIf-Range: {tag}\r\n"), Some((1, 2))),
            (format!("Range: bytes=1-2\r\nIf-Range: {date}\r\n"), Some((1, 2))),
            (format!("Range: bytes=1-2\r\nIf-Range: W/{tag}\r\n"), None),
            ("Range: bytes=1-2\r\nIf-Range: \"x\"\r\n".into(), None),
            ("Range: bytes=2-1\r\n".into(), None),
            ("Range: bytes=1-2,4-5\r\n".into(), None),
            ("Range: lines=1-2\r\n".into(), None),
            ("Range: bytes=a-b\r\n".into(), None),
        ] {
            let (head, body) = ask(&runtime, &store, "GET /large.bin", &headers).await;
            match expected {
                Some((first, last)) => {
                    assert_eq!(status(&head), 206, "{headers}");
                    let range = format!("bytes {first}-{last}/100000");
                    assert_eq!(header(&head, "Content-Range"), Some(range.as_str()), "{headers}");
                    assert!(body == large()[first..=last], "{headers}: another body");
                }
                None => assert_eq!((status(&head), body.len()), (200, 100_000), "{headers}"),
            }
        }
        for range in ["bytes=100000-", "bytes=100000-100001", "bytes=-0"] {
            let (head, _) = ask(&runtime, &store, "GET /large.bin", &format!("Range: {range}\r\n")).await;
            assert_eq!((status(&head), header(&head, "Content-Range")), (416, Some("bytes */100000")), "{range}");
        }
        let (head, _) = ask(&runtime, &store, "HEAD /large.bin", "Range: bytes=1-2\r\n").await;
        assert_eq!(status(&head), 200);
    });
}

#[test]
fn a_value_that_gets_shorter_while_it_is_sent_is_broken_off() {
    run(async |runtime| {
        let store = files(&runtime).await;
        let router = Router::new().site("/", runtime.clone(), store.clone());
        let mut client = connect(&runtime, limits(), router);
        client.send("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.head().await;
        store.set(&Key::new("large.bin").unwrap(), b"short").await.unwrap();
        while client.more().await {}
        assert!(client.seen.len() < 100_000);
    });
}
