use std::cell::Cell;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use mirage_conformance::fakes::{
    FakeBlock, FakeConsole, FakeHttp, FakeKv, FakeNetwork, FakePlatform, FakeRuntime, FakeStack,
};
use mirage_conformance::platform::{self, PlatformRig};
use mirage_conformance::poll::poll_once;
use mirage_sig::{
    Args, Failure, Instant, Key, KvRw, MonotonicClock, Platform, Random, Shutdown, Sleep, Spawn, WallClock,
};

use crate::{all_are_found, mistakes};

mistakes! {
    NameIsTheImage => "`name` is the argument `name`, or what the image is called",
    NameHasSpaces => "`name` is the argument `name`, or what the image is called",
    ForgetsArguments => "`args` are the arguments it was started with",
    CloneHasItsOwnClock => "Clones of a platform are handles to the same thing",
    DroppedStoreStaysLocked => "Dropping a future that makes a device leaves no device behind",
    StoreIsNotEmpty => "A key-value store is made empty where there was none",
    AnewEachTime => "The same name is the same store",
    OneStoreForAll => "Another name is another store",
    AsksAtOnce => "`shutdown_requested` waits for a request to end",
    AsksOnlyOne => "A request is not lost by dropping the future",
    AsksWhoWaitsOnly => "A request is not lost by dropping the future",
    AsksOnce => "Asked again after a request came, it answers at once",
}

struct Broken {
    inner: FakePlatform,
    mistake: Option<Mistake>,
    shared: Rc<Shared>,
    is_clone: bool,
    args: Args,
}

#[derive(Default)]
struct Shared {
    locked: Cell<bool>,
    opened: Cell<u32>,
    request: Cell<Option<Shutdown>>,
    answered: Cell<u32>,
}

impl Broken {
    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }
}

impl Clone for Broken {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            mistake: self.mistake,
            shared: self.shared.clone(),
            is_clone: true,
            args: self.args.clone(),
        }
    }
}

impl MonotonicClock for Broken {
    fn now(&self) -> Instant {
        let late = self.is_clone && self.has(Mistake::CloneHasItsOwnClock);
        if late { Instant::START } else { self.inner.now() }
    }
}

impl WallClock for Broken {
    fn unix_time(&self) -> Duration {
        self.inner.unix_time()
    }
}

impl Sleep for Broken {
    async fn sleep_until(&self, deadline: Instant) {
        self.inner.sleep_until(deadline).await;
    }
}

impl Random for Broken {
    fn fill(&self, bytes: &mut [u8]) {
        self.inner.fill(bytes);
    }
}

impl Spawn for Broken {
    fn spawn_boxed(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        self.inner.spawn_boxed(task);
    }
}

impl Platform for Broken {
    type Console = FakeConsole;
    type Network = FakeNetwork;
    type Stack = FakeStack;
    type Kv = FakeKv;
    type Block = FakeBlock;
    type Http = FakeHttp;

    fn name(&self) -> &str {
        match self.mistake {
            Some(Mistake::NameIsTheImage) => "image",
            Some(Mistake::NameHasSpaces) => "web 2",
            _ => self.inner.name(),
        }
    }

    fn args(&self) -> &Args {
        if self.has(Mistake::ForgetsArguments) { &self.args } else { self.inner.args() }
    }

    async fn shutdown_requested(&self) -> Shutdown {
        let wait = async |ready: &dyn Fn() -> Option<Shutdown>| loop {
            if let Some(request) = ready() {
                return request;
            }
            self.inner.sleep(Duration::from_millis(1)).await;
        };
        match self.mistake {
            Some(Mistake::AsksAtOnce) => Shutdown::Poweroff,
            Some(Mistake::AsksOnlyOne) => wait(&|| self.shared.request.take()).await,
            Some(Mistake::AsksWhoWaitsOnly) => {
                if self.shared.request.get().is_some() {
                    pending::<()>().await;
                }
                wait(&|| self.shared.request.get()).await
            }
            Some(Mistake::AsksOnce) => {
                if self.shared.answered.get() >= 2 {
                    pending::<()>().await;
                }
                let request = wait(&|| self.shared.request.get()).await;
                self.shared.answered.set(self.shared.answered.get() + 1);
                request
            }
            _ => self.inner.shutdown_requested().await,
        }
    }

    fn console(&self) -> FakeConsole {
        self.inner.console()
    }

    async fn network(&self, name: &str) -> Result<FakeNetwork, Failure> {
        self.inner.network(name).await
    }

    async fn stack(&self) -> Result<FakeStack, Failure> {
        self.inner.stack().await
    }

    async fn kv(&self, name: &str) -> Result<FakeKv, Failure> {
        let opened = self.shared.opened.get();
        self.shared.opened.set(opened + 1);
        match self.mistake {
            Some(Mistake::DroppedStoreStaysLocked) => {
                if self.shared.locked.replace(true) {
                    pending::<()>().await;
                }
                self.inner.sleep(Duration::from_millis(1)).await;
                self.shared.locked.set(false);
                self.inner.kv(name).await
            }
            Some(Mistake::StoreIsNotEmpty) => {
                let kv = self.inner.kv(name).await?;
                let _ = poll_once(kv.set(&Key::new("hello").unwrap(), b"")).await;
                Ok(kv)
            }
            Some(Mistake::AnewEachTime) => self.inner.kv(&format!("{name}{opened}")).await,
            Some(Mistake::OneStoreForAll) => self.inner.kv("one").await,
            _ => self.inner.kv(name).await,
        }
    }

    async fn block(&self, name: &str) -> Result<FakeBlock, Failure> {
        self.inner.block(name).await
    }

    fn http(&self) -> FakeHttp {
        self.inner.http()
    }
}

impl PlatformRig for Broken {
    type Platform = Self;

    fn platform(&self) -> Self {
        Self { is_clone: false, ..self.clone() }
    }

    fn given(&self) -> &[(&str, &str)] {
        &[("name", "web-2")]
    }

    async fn request_shutdown(&self, request: Shutdown) {
        self.shared.request.set(Some(request));
        self.inner.request_shutdown(request);
    }
}

#[test]
fn platform_itself() {
    all_are_found(MISTAKES, |_: &FakeRuntime, mistake| {
        let args = Args::check([("name".to_owned(), "web-2".to_owned())], &[]).unwrap();
        let inner = FakePlatform::new(args);
        let broken = Broken { inner, mistake, shared: Rc::default(), is_clone: false, args: Args::default() };
        broken.inner.runtime().run(platform::suite(&broken))
    });
}
