//! Every suite accepts its fake.

use mirage_conformance::fakes::{
    FakeBlock, FakeCables, FakeConsole, FakeHttp, FakeInternet, FakePlatform, FakeRandom, FakeRuntime, FakeStore,
    TEST_SERVER,
};
use mirage_conformance::platform::PlatformRig;
use mirage_conformance::{
    Verdict, block, clock, console, flow, http, kv, network, platform, random, spawn, stack, udp,
};
use mirage_sig::{Args, BlockInfo, Shutdown};

/// Runs a suite to its end; whatever it finds fails the test.
fn accepted(runtime: &FakeRuntime, suite: impl Future<Output = Verdict>) {
    match runtime.run(suite) {
        Ok(Ok(())) => {}
        Ok(Err(violation)) => panic!("{violation}"),
        Err(stuck) => panic!("{stuck}"),
    }
}

#[test]
fn clock_and_sleep() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, clock::suite(&runtime));
}

#[test]
fn randomness() {
    random::suite(&FakeRandom::new(7)).unwrap();
    random::suite(&FakeRuntime::new()).unwrap();
}

#[test]
fn tasks() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, spawn::suite(&runtime));
}

#[test]
fn key_value_store() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, kv::rw_suite(&runtime, &FakeStore::new(&runtime)));
}

#[test]
fn key_value_store_of_two() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, kv::shared_suite(&FakeStore::new(&runtime)));
}

#[test]
fn console() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, console::suite(&runtime, &FakeConsole::new()));
}

#[test]
fn network() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, network::suite(&runtime, &FakeCables::new(&runtime)));
}

#[test]
fn flow() {
    let runtime = FakeRuntime::new();
    let internet = FakeInternet::new(&runtime);
    accepted(&runtime, async {
        let pairs = flow::TcpPairs::new(&runtime, &internet).await?;
        flow::suite(&runtime, &pairs).await
    });
}

#[test]
fn listener() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, flow::listener_suite(&runtime, &FakeInternet::new(&runtime)));
}

#[test]
fn datagrams() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, udp::suite(&runtime, &FakeInternet::new(&runtime)));
}

#[test]
fn tcp_ip_stack() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, stack::suite(&runtime, &FakeInternet::new(&runtime)));
}

#[test]
fn disk() {
    let runtime = FakeRuntime::new();
    for (sector_size, writable) in [(512, true), (4_096, true), (512, false)] {
        let disk = FakeBlock::new(BlockInfo { sector_size, sectors: 20, writable });
        accepted(&runtime, block::suite(&disk));
    }
}

#[test]
fn web_client() {
    let runtime = FakeRuntime::new();
    accepted(&runtime, http::suite(&runtime, &FakeHttp::for_suite(&runtime), TEST_SERVER));
}

#[test]
fn whole_platform() {
    let platform = FakePlatform::new(Args::default());
    accepted(platform.runtime(), platform::suite(&platform));
}

#[test]
fn platform_with_a_name() {
    struct Named(FakePlatform);

    impl PlatformRig for Named {
        type Platform = FakePlatform;

        fn platform(&self) -> FakePlatform {
            self.0.clone()
        }

        fn given(&self) -> &[(&str, &str)] {
            &[("name", "web-2"), ("ipv4", "10.0.0.2/24")]
        }

        async fn request_shutdown(&self, request: Shutdown) {
            self.0.request_shutdown(request);
        }
    }

    let args = [("name", "web-2"), ("ipv4", "10.0.0.2/24")].map(|(name, value)| (name.into(), value.into()));
    let platform = Named(FakePlatform::new(Args::check(args, &[]).unwrap()));
    accepted(platform.0.runtime(), platform::suite(&platform));
}
