//! Serves a folder on this machine: `cargo run --example host -- FOLDER 8080`, then open http://127.0.0.1:8080/.
#![allow(clippy::expect_used, reason = "an example may end with a word")]

mod net;

use std::path::{Path, PathBuf};

use mirage_http::{Event, Events, Limits, Request, Response, Router, SocketLimits, WebSocket, serve, websocket};
use mirage_kv::Memory;
use mirage_sig::{Key, KvRw, Listener, MonotonicClock, Sleep, Spawn};

/// Everything in `folder`, as keys and values.
fn files(folder: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(folder.join(&at))? {
            let entry = entry?;
            let path = at.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                found.push((path.to_string_lossy().into_owned(), std::fs::read(entry.path())?));
            }
        }
    }
    Ok(found)
}

async fn clock(host: net::Host, mut events: Events) {
    let mut text = host.now().to_string();
    while events.send(Event { data: &text, ..Event::default() }).await.is_ok() {
        host.sleep(std::time::Duration::from_secs(1)).await;
        text = host.now().to_string();
    }
}

async fn echo(request: Request) -> Response {
    websocket(&request, SocketLimits::default(), async |mut socket: WebSocket| {
        while let Ok(Some(message)) = socket.receive().await {
            if socket.send(&message).await.is_err() {
                break;
            }
        }
    })
}

fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().unwrap_or_else(|| ".".into());
    let port = args.next().and_then(|text| text.parse().ok()).unwrap_or(8080);
    net::run(async |host: net::Host| {
        let store = Memory::new(host.clone());
        for (key, value) in files(Path::new(&folder)).expect("the folder can be read") {
            let key = Key::new(&key).expect("every name in the folder can be a key");
            store.set(&key, &value).await.expect("there is room for the folder in memory");
        }
        let (up, ticking) = (host.clone(), host.clone());
        let router = Router::new()
            .get("/status", async move |_| Response::json(format!(r#"{{"up": {}}}"#, up.now())))
            .get("/plain", async |_| "Hello, world!\n")
            .get("/clock", async move |_| {
                let (events, response) = Events::new();
                drop(ticking.spawn(clock(ticking.clone(), events)));
                response
            })
            .get("/echo", echo)
            .site("/", host.clone(), store);
        let listener = net::HostListener::bind(port).await.expect("the port is free");
        println!("http://{}/", listener.local());
        let limits = Limits { requests: u32::MAX, ..Limits::default() };
        if let Err(error) = serve(&host, listener, limits, router).await {
            eprintln!("{error}");
        }
    });
}
