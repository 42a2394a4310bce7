//! Work on a network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mirage_http::{Limits, Request, Response, Router, serve};
use mirage_net::Lan;
use mirage_sig::{Failure, Flow as _, Listener, Platform, Read, Runtime, Spawn, Stack, Write};
use mirage_tcpip::{Config, Tcpip};
use wasm_bindgen::prelude::*;

use crate::{Unikernel, thrown, within};

/// Where bytes are thrown away (RFC 863).
const DISCARD: u16 = 9;

/// Bytes that are written at once.
const PIECE: usize = 64 << 10;

/// Listens on the discard port from now on. Ends its side of each connection when the other has, so that whoever sent knows
/// that all has arrived.
fn discard(runtime: &impl Runtime, stack: &Tcpip) -> Result<(), Failure> {
    let mut listener = stack.listen(DISCARD, 8)?;
    let spawner = runtime.clone();
    runtime.spawn_boxed(Box::pin(async move {
        while let Ok(mut flow) = listener.accept().await {
            spawner.spawn_boxed(Box::pin(async move {
                let mut buffer = vec![0; PIECE];
                while matches!(flow.read(&mut buffer).await, Ok(1..)) {}
                // Whoever sent sees it as an error.
                let _ = flow.shutdown().await;
            }));
        }
    }));
    Ok(())
}

/// Sends so many bytes to a discard port, and waits until all have arrived.
async fn send(stack: Tcpip, to: IpAddr, bytes: usize) -> Result<(), Failure> {
    let mut flow = stack.connect(SocketAddr::new(to, DISCARD)).await?;
    let piece = vec![0x5a; PIECE];
    let mut left = bytes;
    while left > 0 {
        let part = left.min(PIECE);
        flow.write_all(&piece[..part]).await?;
        left -= part;
    }
    flow.shutdown().await?;
    match flow.read(&mut [0; 1]).await? {
        0 => Ok(()),
        _ => Err(Failure::new("the other side sent something")),
    }
}

#[wasm_bindgen]
impl Unikernel {
    /// Throws away what comes to its discard port, and serves a page of 1 kB on port 80.
    pub async fn listen(&self) -> Result<(), JsError> {
        let platform = self.platform();
        let work = async move {
            let stack = platform.stack().await?;
            stack.configured().await?;
            discard(&platform, &stack)?;
            let router = Router::new().get("/", async |_: Request| Response::text("x".repeat(1_000)));
            let (web, runtime) = (stack.listen(80, 64)?, platform.clone());
            platform.spawn_boxed(Box::pin(async move {
                // It serves as long as there is a network.
                let _ = serve(&runtime, web, Limits::default(), router).await;
            }));
            Ok::<(), Failure>(())
        };
        within(&self.platform(), work).await?.map_err(thrown)
    }

    /// Sends so many bytes to the discard port of `to`, and waits until all have arrived.
    pub async fn send(&self, to: String, bytes: usize) -> Result<(), JsError> {
        let platform = self.platform();
        let work = async move { send(platform.stack().await?, to.parse()?, bytes).await };
        within(&self.platform(), work).await?.map_err(thrown)
    }

    /// Pings `to`: the milliseconds that it took.
    pub async fn ping(&self, to: String) -> Result<f64, JsError> {
        let platform = self.platform();
        let work = async move {
            let stack = platform.stack().await?;
            stack.configured().await?;
            Ok(stack.ping(to.parse()?, 56).await?.as_secs_f64() * 1e3)
        };
        within(&self.platform(), work).await?.map_err(thrown)
    }

    /// Sends so many bytes between two stacks of this unikernel, over a cable in memory: the most that a transport could carry.
    #[wasm_bindgen(js_name = sendWithin)]
    pub async fn send_within(&self, bytes: usize) -> Result<(), JsError> {
        let platform = self.platform();
        let work = async move {
            let lan = Lan::switch();
            let stack = |number: u8| {
                let config = Config::fixed(Ipv4Addr::new(10, 0, 0, number), 24);
                Tcpip::new(lan.port(), &platform, config)
            };
            let (sender, receiver) = (stack(1)?, stack(2)?);
            discard(&platform, &receiver)?;
            send(sender, Ipv4Addr::new(10, 0, 0, 2).into(), bytes).await
        };
        within(&self.platform(), work).await?.map_err(thrown)
    }
}
