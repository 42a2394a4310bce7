//! What RFC 9110 and RFC 9112 say of requests that are not as they should be, and of some that are.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod common;

use common::{connect, limits, router, run, status};

/// Sends bytes as one connection's, and gives the statuses of all answers up to its end.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = run(async |runtime| connect(&runtime, limits(), router()).talk(bytes).await);
    // The words of a refusal may name the version too.
    text.split("HTTP/1.1 ").skip(1).filter_map(|head| head.get(..3)?.parse().ok()).collect()
}

/// What is refused, with which status, and that the connection ends: the request behind it is never answered.
#[test]
fn refused() {
    let table: &[(&str, u16)] = &[
        // The request line (RFC 9112, section 3).
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}", 400),
        // Versions.
        ("GET /\r\n\r\n", 400),
        ("GET / HTTP\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/0.9\r\n\r\n", 505),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        // Methods.
        ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        // Addresses.
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /% HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /.. HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%2e%2E/x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        // Lines (RFC 9112, section 2.2).
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nx: \0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nx: \u{7f}\r\n\r\n", 400),
        // Fields (RFC 9112, section 5).
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nx: y\r\n z\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nx: y\r\n\tz\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nx\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nx y: z\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n\u{e9}: z\r\n\r\n", 400),
        // Host (RFC 9112, section 3.2).
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        // The body's length (RFC 9112, section 6).
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nab", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1,\r\n\r\nab", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nab", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\na", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: what\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            501,
        ),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 400),
        ("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        // Chunks (RFC 9112, section 7.1).
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\na\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r0\r\n\r\n", 400),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n",
            400,
        ),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\0\r\na\r\n0\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: y\n\r\n", 400),
        // Expectations (RFC 9110, section 10.1.1).
        ("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\na", 417),
    ];
    for (request, expected) in table {
        let behind = format!("{request}GET / HTTP/1.1\r\nHost: behind\r\n\r\n");
        let seen = statuses(behind.as_bytes());
        assert_eq!(seen, [*expected], "{request:?}");
    }
}

/// What is a request in spite of its looks, and that the one behind it is answered, or why not.
#[test]
fn accepted() {
    const BEHIND: &str = "GET /hello/behind HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let table: &[(&str, &[u16])] = &[
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200]),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", &[200, 200]),
        ("GET / HTTP/1.1\r\nHost:a:80\r\n\r\n", &[200, 200]),
        ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", &[200, 200]),
        ("GET / HTTP/1.1\r\nhOST:\t [::1]:80 \t\r\n\r\n", &[200, 200]),
        ("GET / HTTP/1.9\r\nHost: a\r\n\r\n", &[200, 200]),
        ("GET /?a=%zz#no HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
        ("GET /?a=%zz&{b}|c HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200]),
        ("GET http://b/hello/x HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200]),
        ("GET HTTP://b?x HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200]),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &[204, 200]),
        ("GET / HTTP/1.1\r\nHost: a\r\nx:\r\ny: \u{e9}\t \r\n\r\n", &[200, 200]),
        // A body has no meaning for GET, and is read all the same.
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", &[200, 200]),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", &[200, 200]),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 01, 1\r\n\r\na", &[200, 200]),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n", &[200, 200]),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: , chunked ,\r\n\r\n01;x=\"y\"\r\na\r\n00\r\n\r\n",
            &[200, 200],
        ),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 ;x\r\na\r\n0\r\nt: v\r\n\r\n",
            &[200, 200],
        ),
        ("PUT /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345", &[200, 200]),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345", &[405, 200]),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\na", &[200, 200]),
        // HTTP/1.0: no Host needed, and the connection ends unless it is asked to stay.
        ("GET / HTTP/1.0\r\n\r\n", &[200]),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200, 200]),
        ("POST /echo HTTP/1.0\r\nContent-Length: 1\r\nExpect: tea\r\n\r\na", &[200]),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", &[200]),
    ];
    for (request, expected) in table {
        let seen = statuses(format!("{request}{BEHIND}").as_bytes());
        assert_eq!(seen, *expected, "{request:?}");
    }
}

#[test]
fn a_refusal_says_what_is_wrong() {
    let answer = run(async |runtime| connect(&runtime, limits(), router()).talk("GET / HTTP/1.1\r\n\r\n").await);
    assert_eq!(status(&answer), 400);
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("Bad Request: there is no Host, which HTTP/1.1 asks for\n"), "{answer}");
}
