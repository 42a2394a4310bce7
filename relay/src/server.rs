//! The relay itself: listens, opens the door, and ends in order.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, FromRequestParts, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::capture::Capture;
use crate::client;
use crate::config::Config;
use crate::door::{Door, Knock, Refusal};
use crate::error::StartError;
use crate::lan::{Full, Hub};
use crate::metrics::Metrics;
use crate::nat::{self, Plan};
use crate::tap;

/// Connections beyond the clients: requests for pages, and clients that are not through the door yet.
const REQUESTS_MAX: usize = 64;

/// How long a request's head may take to arrive; also how long a connection may idle between requests.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// The head of a request at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What the kernel keeps for a connection that is not read. More is only delay: the relay has a queue for each client.
const SEND_BUFFER: usize = 256 * 1024;

/// How long clients may take to say goodbye when the relay ends.
const GOODBYE: Duration = Duration::from_secs(3);

/// A page that is refused dials again and again. It is told of that often.
const REFUSAL_TOLD_EVERY: Duration = Duration::from_secs(5);

/// Characters of a refused page's origin that are told.
const ORIGIN_SHOWN: usize = 100;

/// How long to wait before accepting again when the host has no more sockets.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// A relay that runs, until [`Relay::stop`]. Dropped without it, it ends as well, and nobody waits for its clients' goodbyes.
pub struct Relay {
    address: SocketAddr,
    hub: Arc<Hub>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Ends when the last client's task has dropped its sender.
    gone: mpsc::Receiver<()>,
    capture: Option<Capture>,
    forwards: Vec<SocketAddr>,
}

#[derive(Clone)]
struct App {
    door: Arc<Door>,
    hub: Arc<Hub>,
    stop: watch::Receiver<bool>,
    here: mpsc::Sender<()>,
    refusal_told: Arc<Mutex<Option<Instant>>>,
}

/// What a request knows of its connection. The permit is held by the connection, and then by the client.
#[derive(Clone)]
struct Connection {
    peer: SocketAddr,
    permit: Arc<OwnedSemaphorePermit>,
}

impl Relay {
    /// Starts a relay in the tokio runtime that it is called in.
    ///
    /// # Errors
    /// What of the configuration cannot be had. Nothing is left running then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        check(&config)?;
        let metrics = Arc::new(Metrics::default());
        let listener =
            TcpListener::bind(config.listen).await.map_err(|error| StartError::Listen(config.listen, error))?;
        let address = listener.local_addr().map_err(|error| StartError::Listen(config.listen, error))?;
        let forwards = nat::forward::listen(&config.forwards).await?;
        let taps = config
            .taps
            .iter()
            .map(|(lan, name)| Ok((lan, tap::Tap::open(name)?)))
            .collect::<Result<Vec<_>, StartError>>()?;
        let capture = match &config.capture {
            Some(path) => Some(
                Capture::create(path, config.limits.frame_max())
                    .map_err(|error| StartError::Capture(path.clone(), error))?,
            ),
            None => None,
        };

        let hub = Hub::new(config.limits.clone(), Plan::new(&config), capture.clone(), metrics);
        let mut tasks: Vec<JoinHandle<()>> = Vec::new();
        let no_room = |_| StartError::Setting("--max-clients leaves no room for --tap".to_owned());
        let taps = taps.into_iter().map(|(lan, tap)| Ok((lan, tap, hub.enter(lan).map_err(no_room)?)));
        for (lan, tap, port) in taps.collect::<Result<Vec<_>, StartError>>()? {
            log::info!(target: "tap", "{} is in {lan}", tap.name());
            tasks.push(tokio::spawn(tap.run(port, config.limits.frame_max())));
        }
        let forward_addresses = forwards.iter().map(nat::forward::Open::address).collect();
        for forward in forwards {
            log::info!(target: "forward", "{forward}");
            tasks.push(tokio::spawn(forward.run(hub.clone())));
        }
        let (stop, stopped) = watch::channel(false);
        let (here, gone) = mpsc::channel(1);
        let door = Arc::new(Door::new(config.origins.clone(), config.tokens.clone(), config.exposed()));
        let app = App { door, hub: hub.clone(), stop: stopped, here, refusal_told: Arc::default() };
        let room = Arc::new(Semaphore::new(config.limits.clients + REQUESTS_MAX));
        tasks.push(tokio::spawn(accept(listener, app, room)));
        Ok(Self { address, hub, stop, tasks, gone, capture, forwards: forward_addresses })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the port forwards listen, in the order of the configuration.
    pub fn forwards(&self) -> &[SocketAddr] {
        &self.forwards
    }

    /// What `/metrics` says.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        self.hub.write_metrics(&mut text);
        text
    }

    /// Says goodbye to all clients, and ends the capture's file. Takes a few seconds at most.
    pub async fn stop(mut self) {
        // The receivers may be gone, with the clients.
        let _ = self.stop.send(true);
        self.end_tasks();
        if timeout(GOODBYE, self.gone.recv()).await.is_err() {
            log::info!(target: "relay", "some clients did not say goodbye");
        }
        if let Some(capture) = self.capture.take() {
            // It fails only if the thread pool has ended, and the process with it.
            let _ = tokio::task::spawn_blocking(move || capture.finish()).await;
        }
    }

    fn end_tasks(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end_tasks();
    }
}

fn check(config: &Config) -> Result<(), StartError> {
    if config.exposed() && config.tokens.is_empty() {
        return Err(StartError::Exposed(config.listen));
    }
    let limits = &config.limits;
    if !(576..=9000).contains(&limits.mtu) {
        return Err(StartError::Setting(format!("--mtu {}: must be between 576 and 9000 bytes", limits.mtu)));
    }
    if [limits.clients, limits.clients_per_lan, limits.queue].contains(&0) {
        return Err(StartError::Setting(
            "--max-clients, --max-clients-per-lan and --queue must be at least 1".to_owned(),
        ));
    }
    if limits.ping_every.is_zero() || limits.silence_max < limits.ping_every {
        return Err(StartError::Setting(
            "the time for answers to pings is shorter than the time between them".to_owned(),
        ));
    }
    match config.forwards.iter().find(|forward| !config.nat.serves(&forward.lan)) {
        Some(forward) => Err(StartError::ForwardNowhere(forward.to_string())),
        None => Ok(()),
    }
}

async fn accept(listener: TcpListener, app: App, room: Arc<Semaphore>) {
    let stop = app.stop.clone();
    let router = Router::new()
        .route("/", get(lan))
        .route("/lan/{name}", get(lan))
        .route("/health", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .with_state(app);
    let mut told = false;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Of one connection that is gone already, or of a host without free sockets.
                if !std::mem::replace(&mut told, true) {
                    log::warn!(target: "relay", "a connection cannot be accepted: {error} (told once)");
                }
                sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        // Above the bound, the connection is closed at once.
        let Ok(permit) = room.clone().try_acquire_owned() else { continue };
        tokio::spawn(converse(stream, Connection { peer, permit: Arc::new(permit) }, router.clone(), stop.clone()));
    }
}

/// Speaks HTTP on one connection, until it ends or becomes a WebSocket.
async fn converse(stream: TcpStream, connection: Connection, router: Router, mut stop: watch::Receiver<bool>) {
    // Frames are small, and none waits for the next.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
    let service = TowerToHyperService::new(router.layer(Extension(connection)));
    let conversation = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        outcome = conversation => if let Err(error) = outcome {
            log::debug!(target: "relay", "{error}");
        },
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

async fn lan(State(app): State<App>, Extension(connection): Extension<Connection>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    if !asks_for_websocket(&parts.headers) {
        return match parts.uri.path() {
            "/" => page().into_response(),
            _ => (StatusCode::UPGRADE_REQUIRED, [(header::UPGRADE, "websocket")], page()).into_response(),
        };
    }
    let knock = Knock {
        path: parts.uri.path(),
        query: parts.uri.query(),
        origin: parts.headers.get(header::ORIGIN).map(|origin| origin.as_bytes()),
        from_loopback: connection.peer.ip().to_canonical().is_loopback(),
    };
    let metrics = app.hub.metrics().clone();
    let lan = match app.door.admit(&knock) {
        Ok(lan) => lan,
        Err(refusal) => return app.refuse(refusal, &knock, connection.peer),
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &app).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let port = match app.hub.enter(&lan) {
        Ok(port) => port,
        Err(full) => {
            metrics.refused_full.up();
            let what = match full {
                Full::Lan => "the LAN is full",
                Full::Relay => "the relay is full",
            };
            log::info!(target: "door", "{}: {what}", connection.peer);
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{what}: try again later\n")).into_response();
        }
    };
    upgrade
        .read_buffer_size(client::READ_BUFFER)
        .write_buffer_size(client::WRITE_BUFFER)
        .max_write_buffer_size(client::WRITE_BUFFER + client::MESSAGE_MAX)
        .max_message_size(client::MESSAGE_MAX)
        .max_frame_size(client::MESSAGE_MAX)
        .on_upgrade(move |socket| async move {
            let App { hub, stop, here, .. } = app;
            client::serve(socket, port, connection.peer, hub.limits(), &metrics, stop).await;
            drop((here, connection.permit));
        })
}

impl App {
    fn refuse(&self, refusal: Refusal, knock: &Knock<'_>, peer: SocketAddr) -> Response {
        let metrics = self.hub.metrics();
        let (counter, status) = match refusal {
            Refusal::Path => (&metrics.refused_path, StatusCode::NOT_FOUND),
            Refusal::Origin | Refusal::NoOrigin => (&metrics.refused_origin, StatusCode::FORBIDDEN),
            Refusal::Token => (&metrics.refused_token, StatusCode::FORBIDDEN),
        };
        counter.up();
        let mut told = self.refusal_told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= REFUSAL_TOLD_EVERY) {
            *told = Some(Instant::now());
            let origin =
                String::from_utf8_lossy(knock.origin.unwrap_or(b"none")).chars().take(ORIGIN_SHOWN).collect::<String>();
            // Never the query: it may hold a token that is nearly right.
            log::info!(target: "door", "{peer} to {:?} from origin {origin:?} refused: {refusal}", knock.path);
        }
        (status, format!("{refusal}\n")).into_response()
    }
}

/// RFC 6455, section 4.2.1: the header's value is a list of tokens, in any case.
fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let value = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(',').any(|token| token.trim().eq_ignore_ascii_case("websocket"))
}

/// To others than this host, the names of LANs are nobody's business.
async fn metrics(State(app): State<App>, Extension(connection): Extension<Connection>) -> Response {
    if !connection.peer.ip().to_canonical().is_loopback() {
        return (StatusCode::FORBIDDEN, "metrics are for the relay's own host\n").into_response();
    }
    let mut text = String::new();
    app.hub.write_metrics(&mut text);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

fn page() -> &'static str {
    "This is mirage-relay: an Ethernet switch that is reached by WebSocket.\n\
     \n\
     Connect to    ws://HOST:PORT/lan/NAME    (?token=SECRET where the LAN has one)\n\
     \n\
     Each binary message is one Ethernet II frame, both ways, with no header of its own\n\
     and no greeting. Those who name the same LAN are on the same switch; / is LAN 0.\n\
     Where the relay has a gateway, ask it for an address by DHCP: it is 10.0.2.2.\n\
     \n\
     /metrics    counters for Prometheus\n\
     /health     says ok\n"
}
