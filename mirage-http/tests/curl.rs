//! The server as `curl` sees it, and bytes over a real socket. Loopback only.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

#[path = "../examples/host/net.rs"]
mod net;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mirage_http::{Limits, Request, Response, Router, Stop, serve_until};
use mirage_kv::Memory;
use mirage_sig::{Key, KvRw, Listener, Spawn};

fn large() -> Vec<u8> {
    (0..300_000_u32).map(|at| (at % 251) as u8).collect()
}

/// A server on a thread of its own, for as long as this lives.
struct Server {
    port: u16,
    /// Dropped, the server stops.
    _running: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    fn start() -> Self {
        let (tell, port) = mpsc::channel();
        let (running, ended) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || {
            net::run(async |host: net::Host| {
                let store = Memory::new(host.clone());
                for (key, value) in [("index.html", b"<h1>Hello!</h1>".to_vec()), ("large.bin", large())] {
                    store.set(&Key::new(key).unwrap(), &value).await.unwrap();
                }
                let router = Router::new()
                    .post("/echo", async |mut request: Request| {
                        let how = request.header("transfer-encoding").unwrap_or("length").to_string();
                        request.bytes(1 << 20).await.map(|body| Response::of("x/y", body).with_header("X-How", &how))
                    })
                    .site("/", host.clone(), store);
                let listener = net::HostListener::bind(0).await.unwrap();
                tell.send(listener.local().port()).unwrap();
                let stop = Stop::new();
                let stopping = stop.clone();
                drop(host.spawn(async move {
                    // An error as well: that it was dropped.
                    let _ = ended.await;
                    stopping.stop();
                }));
                serve_until(&host, listener, Limits::default(), router, &stop).await.unwrap();
            });
        });
        Self { port: port.recv().unwrap(), _running: running }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What curl prints with these arguments; None where there is no curl.
    fn curl(&self, args: &[&str], input: &[u8]) -> Option<Vec<u8>> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"]).args(args);
        let child = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            println!("left out: there is no curl on this machine");
            return None;
        };
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Some(output.stdout)
    }

    /// As [`curl`](Self::curl), as text.
    fn text(&self, args: &[&str]) -> Option<String> {
        self.curl(args, b"").map(|output| String::from_utf8_lossy(&output).into_owned())
    }
}

#[test]
fn curl_gets_what_is_there() {
    let server = Server::start();
    let (root, large_url) = (server.url("/"), server.url("/large.bin"));
    let Some(text) = server.text(&["-i", &root]) else { return };
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("\r\nDate: "), "{text}");
    assert!(text.ends_with("\r\n\r\n<h1>Hello!</h1>"), "{text}");

    let head = server.text(&["-I", &root]).unwrap();
    assert!(head.contains("\r\nContent-Length: 15\r\n") && head.ends_with("\r\n\r\n"), "{head}");

    assert!(server.curl(&[&large_url], b"").unwrap() == large());
    assert!(server.curl(&["-r", "1000-20999", &large_url], b"").unwrap() == large()[1_000..21_000]);
    assert!(server.curl(&["--http1.0", &large_url], b"").unwrap() == large());

    let tag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    let status = ["-o", "/dev/null", "-w", "%{http_code}"];
    let condition = format!("If-None-Match: {tag}");
    assert_eq!(server.text(&[&status[..], &["-H", &condition, &root]].concat()).unwrap(), "304");
    assert_eq!(server.text(&[&status[..], &["-r", "300000-", &large_url]].concat()).unwrap(), "416");
    assert_eq!(server.text(&[&status[..], &[&server.url("/missing")]].concat()).unwrap(), "404");
    assert_eq!(server.text(&[&status[..], &["--path-as-is", &server.url("/../x")]].concat()).unwrap(), "400");
    assert_eq!(server.text(&[&status[..], &["-X", "DELETE", &root]].concat()).unwrap(), "405");
}

#[test]
fn curl_posts_by_length_and_in_chunks() {
    let server = Server::start();
    let url = server.url("/echo");
    let post = ["-X", "POST", "-D", "-", "--data-binary", "@-", &url];
    for (header, how) in
        [("X: y", "length"), ("Transfer-Encoding: chunked", "chunked"), ("Expect: 100-continue", "length")]
    {
        let Some(output) = server.curl(&[&post[..], &["-H", header]].concat(), &large()) else { return };
        assert!(output.ends_with(&large()), "{header}");
        let head = String::from_utf8_lossy(&output[..output.len() - large().len()]).into_owned();
        assert!(head.contains(&format!("\r\nX-How: {how}\r\n")), "{header}: {head}");
    }
}

#[test]
fn curl_uses_a_connection_twice() {
    let server = Server::start();
    let format = ["-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects} "];
    let Some(text) = server.text(&[&format[..], &[&server.url("/"), &server.url("/large.bin")]].concat()) else {
        return;
    };
    assert_eq!(text, "1 0 ");
}

#[test]
fn requests_in_one_segment_are_answered_in_their_order() {
    let server = Server::start();
    let mut socket = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let requests = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
        HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\
        GET /missing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    socket.write_all(requests.as_bytes()).unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let statuses: Vec<_> = text.split("HTTP/1.1 ").skip(1).map(|head| &head[..3]).collect();
    assert_eq!(statuses, ["200", "200", "200", "404"]);
    assert!(text.contains("\r\n\r\n<h1>Hello!</h1>HTTP/1.1 200") && text.contains("\r\n\r\nabcHTTP/1.1 200"), "{text}");
}

#[test]
fn a_refusal_arrives_although_more_was_sent() {
    let server = Server::start();
    for _ in 0..20 {
        let mut socket = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = socket.write_all(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n");
        // More than the server has read when it refuses.
        let _ = socket.write_all(&[b'x'; 30_000]);
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    }
}
