use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::{Cell, RefCell};
use core::net::{IpAddr, Ipv4Addr};
use core::pin::Pin;
use core::time::Duration;

use mirage_sig::{
    Args, Cidr, Failure, Instant, MonotonicClock, Platform, Random, Shutdown, Sleep, Spawn, Stack, WallClock,
};

use super::block::FakeBlock;
use super::console::FakeConsole;
use super::http::FakeHttp;
use super::kv::{FakeKv, FakeStore};
use super::network::FakeNetwork;
use super::runtime::FakeRuntime;
use super::signal::Signal;
use super::stack::{FakeInternet, FakeStack};
use crate::platform::PlatformRig;

/// A whole platform out of fakes, on which a unikernel runs inside of a test.
///
/// The test types, looks at the screen and asks for the end; it may also spawn a task on the platform that does so at its
/// time. A clone is the same platform.
#[derive(Clone)]
pub struct FakePlatform(Rc<Machine>);

struct Machine {
    runtime: FakeRuntime,
    args: Args,
    console: FakeConsole,
    internet: FakeInternet,
    http: FakeHttp,
    shutdown: Cell<Option<Shutdown>>,
    asked: Signal,
    stores: RefCell<BTreeMap<String, FakeStore>>,
    disks: RefCell<BTreeMap<String, FakeBlock>>,
    networks: RefCell<BTreeMap<String, FakeNetwork>>,
}

impl FakePlatform {
    /// The name of a unikernel that was given none.
    pub const NAME: &str = "fake";
    /// The address of a unikernel that was given none.
    pub const ADDRESS: Cidr = Cidr { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), prefix: 24 };

    /// A platform that starts a unikernel with these arguments.
    pub fn new(args: Args) -> Self {
        let runtime = FakeRuntime::new();
        Self(Rc::new(Machine {
            args,
            console: FakeConsole::new(),
            internet: FakeInternet::new(&runtime),
            http: FakeHttp::new(&runtime),
            shutdown: Cell::new(None),
            asked: Signal::default(),
            stores: RefCell::default(),
            disks: RefCell::default(),
            networks: RefCell::default(),
            runtime,
        }))
    }

    /// Boots a unikernel and runs it until it ends, as `run(web_demo::start)`.
    ///
    /// It fails if the unikernel does, or if it waits for something that will not come.
    pub fn run<F>(&self, start: impl FnOnce(Self) -> F) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        self.0.runtime.run(start(self.clone()))?
    }

    /// The machine after a crash: stores and disks hold what was durable, the screen is empty, the arguments are the same.
    pub fn crashed(&self) -> Self {
        let next = Self::new(self.0.args.clone());
        for (name, store) in self.0.stores.borrow().iter() {
            store.lose_power();
            next.0.stores.borrow_mut().insert(name.clone(), store.clone());
        }
        for (name, disk) in self.0.disks.borrow().iter() {
            disk.lose_power();
            next.0.disks.borrow_mut().insert(name.clone(), disk.clone());
        }
        next
    }

    /// Types a line at the console; its `\n` may be left out.
    pub fn type_line(&self, line: &str) {
        self.0.console.type_text(&format!("{}\n", line.strip_suffix('\n').unwrap_or(line)));
    }

    /// All that the console shows.
    pub fn screen(&self) -> String {
        self.0.console.screen()
    }

    /// Takes the console away, so that reading comes to its end of file.
    pub fn close_console(&self) {
        self.0.console.close();
    }

    /// Asks the unikernel to end.
    pub fn request_shutdown(&self, request: Shutdown) {
        self.0.shutdown.set(Some(request));
        self.0.asked.notify();
    }

    /// The store of that name, to fill it before the start, or to look into it afterwards.
    pub fn store(&self, name: &str) -> FakeStore {
        let mut stores = self.0.stores.borrow_mut();
        stores.entry(name.into()).or_insert_with(|| FakeStore::new(&self.0.runtime)).clone()
    }

    /// Gives the machine a disk.
    pub fn add_disk(&self, name: &str, disk: FakeBlock) {
        self.0.disks.borrow_mut().insert(name.into(), disk);
    }

    /// Plugs a cable into the interface of that name: its other end.
    pub fn plug(&self, name: &str) -> FakeNetwork {
        let (end, other) = FakeNetwork::pair(&self.0.runtime, 1_500);
        self.0.networks.borrow_mut().insert(name.into(), end);
        other
    }

    /// The internet that the stack is on, for other hosts and names.
    pub fn internet(&self) -> &FakeInternet {
        &self.0.internet
    }

    /// The runtime, for its date and to count tasks.
    pub fn runtime(&self) -> &FakeRuntime {
        &self.0.runtime
    }
}

impl MonotonicClock for FakePlatform {
    fn now(&self) -> Instant {
        self.0.runtime.now()
    }
}

impl WallClock for FakePlatform {
    fn unix_time(&self) -> Duration {
        self.0.runtime.unix_time()
    }
}

impl Sleep for FakePlatform {
    async fn sleep_until(&self, deadline: Instant) {
        self.0.runtime.sleep_until(deadline).await;
    }
}

impl Random for FakePlatform {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.runtime.fill(bytes);
    }
}

impl Spawn for FakePlatform {
    fn spawn_boxed(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        self.0.runtime.spawn_boxed(task);
    }
}

impl Platform for FakePlatform {
    type Console = FakeConsole;
    type Network = FakeNetwork;
    type Stack = FakeStack;
    type Kv = FakeKv;
    type Block = FakeBlock;
    type Http = FakeHttp;

    fn name(&self) -> &str {
        self.0.args.text("name").unwrap_or(Self::NAME)
    }

    fn args(&self) -> &Args {
        &self.0.args
    }

    async fn shutdown_requested(&self) -> Shutdown {
        self.0.asked.until(|| self.0.shutdown.get()).await
    }

    fn console(&self) -> FakeConsole {
        self.0.console.clone()
    }

    async fn network(&self, name: &str) -> Result<FakeNetwork, Failure> {
        let network = self.0.networks.borrow().get(name).cloned();
        network.ok_or_else(|| Failure::new(format!("no network {name:?}: plug one in with FakePlatform::plug")))
    }

    async fn stack(&self) -> Result<FakeStack, Failure> {
        let stack = self.0.internet.stack(self.0.args.get("ipv4")?.unwrap_or(Self::ADDRESS));
        stack.configured().await?;
        Ok(stack)
    }

    async fn kv(&self, name: &str) -> Result<FakeKv, Failure> {
        Ok(self.store(name).handle())
    }

    async fn block(&self, name: &str) -> Result<FakeBlock, Failure> {
        let disk = self.0.disks.borrow().get(name).cloned();
        disk.ok_or_else(|| Failure::new(format!("no disk {name:?}: add one with FakePlatform::add_disk")))
    }

    fn http(&self) -> FakeHttp {
        self.0.http.clone()
    }
}

impl PlatformRig for FakePlatform {
    type Platform = Self;

    fn platform(&self) -> Self {
        self.clone()
    }

    fn given(&self) -> &[(&str, &str)] {
        &[]
    }

    async fn request_shutdown(&self, request: Shutdown) {
        self.request_shutdown(request);
    }
}
