//! What the fakes can do beyond their signatures, as a test of a unikernel uses it.

use std::future::pending;
use std::time::Duration;

use mirage_conformance::fakes::{FakeAnswer, FakeBlock, FakeConsole, FakePlatform, FakeRuntime, FakeStore, Stuck};
use mirage_conformance::poll::yield_now;
use mirage_conformance::{Violation, ensure};
use mirage_sig::{
    Args, Block, BlockError, BlockErrorKind, BlockInfo, Console, Failure, Flow, HttpClient, HttpRequest, Instant, Key,
    KvError, KvErrorKind, KvRo, KvRw, Listener, MonotonicClock, Network, Platform, Read, Shutdown, Sleep, Spawn, Stack,
    WallClock, Write,
};

/// Counts its starts, then says what it is told until it is told to end.
async fn echo<P: Platform>(p: P) -> Result<(), Failure> {
    let mut console = p.console();
    let kv = p.kv("visits").await?;
    let visits = kv.update(&Key::new("count")?, |count| Some(vec![count.map_or(0, |count| count[0]) + 1])).await?;
    console.line(&format!("visit {}", visits.unwrap_or_default()[0])).await?;
    let mut input = p.console();
    let echo = p.spawn(async move {
        while let Ok(Some(line)) = input.read_line(80).await {
            if console.line(&line).await.is_err() {
                break;
            }
        }
    });
    let request = p.shutdown_requested().await;
    echo.cancel();
    p.console().line(&format!("{request:?}")).await?;
    Ok(())
}

#[test]
fn a_unikernel_from_start_to_end_and_again_after_a_crash() {
    let platform = FakePlatform::new(Args::default());
    platform.type_line("one");
    let person = platform.clone();
    drop(platform.spawn(async move {
        person.sleep(Duration::from_secs(3600)).await;
        person.type_line("two\n");
        person.sleep(Duration::from_secs(3600)).await;
        person.request_shutdown(Shutdown::Poweroff);
    }));
    platform.run(echo).unwrap();
    assert_eq!(platform.screen(), "visit 1\none\ntwo\nPoweroff\n");
    assert!(platform.now() - Instant::START >= Duration::from_secs(7200));
    assert_eq!(platform.runtime().tasks(), 0);

    let next = platform.crashed();
    next.request_shutdown(Shutdown::Reboot);
    next.run(echo).unwrap();
    assert_eq!(next.screen(), "visit 2\nReboot\n");
}

#[test]
fn a_unikernel_that_waits_for_ever_fails() {
    let platform = FakePlatform::new(Args::default());
    let failure = platform.run(echo).unwrap_err().to_string();
    assert!(failure.contains("every task waits"), "{failure}");
    let failure = platform.run(|_| async { Err(Failure::new("no luck")) }).unwrap_err().to_string();
    assert_eq!(failure, "no luck");
}

#[test]
fn devices_that_are_not_there_say_how_to_get_them() {
    let platform = FakePlatform::new(Args::default());
    let words = platform.runtime().run(async {
        let network = platform.network("lan").await.err().map(|failure| failure.to_string());
        let block = platform.block("disk").await.err().map(|failure| failure.to_string());
        (network.unwrap(), block.unwrap())
    });
    let (network, block) = words.unwrap();
    assert!(network.contains("FakePlatform::plug"), "{network}");
    assert!(block.contains("FakePlatform::add_disk"), "{block}");
}

#[test]
fn a_unikernel_with_every_device() {
    let args = [("ipv4", "10.0.0.2/24")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let platform = FakePlatform::new(Args::check(args, &[]).unwrap());
    let cable = platform.plug("lan");
    platform.add_disk("disk", FakeBlock::new(BlockInfo { sector_size: 512, sectors: 16, writable: true }));
    platform.http().serve("http://example.test", async |_| FakeAnswer::new(200, "from the web"));
    let host = platform.internet().stack("10.0.0.1/24".parse().unwrap());
    let server = host.listen(80, 1).unwrap();
    drop(platform.spawn(async move {
        let mut server = server;
        let mut flow = server.accept().await.unwrap();
        flow.write_all(b"from a host").await.unwrap();
        flow.shutdown().await.unwrap();
    }));
    let start = async |p: FakePlatform| {
        let network = p.network("lan").await?;
        network.try_send(60, |frame| frame[12..14].copy_from_slice(&[8, 0])).map_err(|_| Failure::new("not sent"))?;
        p.block("disk").await?.write(3, &[7; 512]).await?;
        let mut body = p.http().request(HttpRequest::get("http://example.test/")).await?.body;
        let mut text = [0; 12];
        body.read_exact(&mut text).await.map_err(|_| Failure::new("short"))?;
        p.console().line(&String::from_utf8_lossy(&text)).await?;

        let mut flow = p.stack().await?.connect("10.0.0.1:80".parse()?).await?;
        let mut text = [0; 11];
        flow.read_exact(&mut text).await.map_err(|_| Failure::new("short"))?;
        p.console().line(&String::from_utf8_lossy(&text)).await?;
        p.sleep(Duration::from_millis(1)).await;
        Ok(())
    };
    platform.run(start).unwrap();
    assert_eq!(platform.screen(), "from the web\nfrom a host\n");
    assert_eq!(cable.try_receive(|frame| frame[12]), Some(8));
}

#[test]
fn a_runtime_tells_why_it_is_stuck() {
    let runtime = FakeRuntime::new();
    assert_eq!(runtime.run(pending::<()>()), Err(Stuck::Deadlock));
    let spin = async {
        loop {
            yield_now().await;
        }
    };
    assert_eq!(runtime.run::<()>(spin), Err(Stuck::Spinning));
    assert_eq!(runtime.run(async { 1 }), Ok(1));
}

#[test]
fn a_runtime_frees_timers_and_moves_its_clock_only_when_all_wait() {
    let runtime = FakeRuntime::new();
    let start = runtime.now();
    runtime
        .run(async {
            yield_now().await;
            assert_eq!(runtime.now(), start);
            drop(runtime.spawn(pending::<()>()));
            assert_eq!((runtime.tasks(), runtime.timers()), (1, 0));
            let mut sleep = Box::pin(runtime.sleep(Duration::from_secs(9)));
            mirage_conformance::poll::peek(sleep.as_mut()).await;
            assert_eq!(runtime.timers(), 1);
            drop(sleep);
            assert_eq!(runtime.timers(), 0);
            runtime.sleep(Duration::from_secs(5)).await;
        })
        .unwrap();
    assert_eq!(runtime.tasks(), 0);
    let slept = runtime.now() - start;
    assert!(slept >= Duration::from_secs(5) && slept < Duration::from_secs(6), "{slept:?}");
    runtime.set_unix_time(Duration::from_secs(1_000));
    assert_eq!(runtime.unix_time(), Duration::from_secs(1_000));
}

#[test]
fn stores_and_disks_fail_when_told_to() {
    let runtime = FakeRuntime::new();
    let store = FakeStore::new(&runtime);
    let disk = FakeBlock::new(BlockInfo { sector_size: 512, sectors: 16, writable: true });
    let work = async {
        let (kv, key) = (store.handle(), Key::new("key").unwrap());
        kv.set(&key, b"value").await.unwrap();
        for kind in [KvErrorKind::Refused, KvErrorKind::Blocked, KvErrorKind::Gone, KvErrorKind::Corrupt] {
            store.fail_next(kind);
            assert_eq!(kv.set(&key, b"lost").await.unwrap_err().kind(), kind);
            assert_eq!(kv.get(&key).await.unwrap(), b"value");
        }
        store.set_capacity(10);
        assert_eq!(kv.set(&key, b"12345678").await.unwrap_err().kind(), KvErrorKind::NoSpace);
        store.lose_power();
        assert_eq!(kv.get(&key).await.unwrap_err().kind(), KvErrorKind::Gone);
        assert_eq!(store.handle().get(&key).await.unwrap(), b"value");

        disk.fail_next(BlockErrorKind::Failed);
        assert_eq!(disk.write(0, &[1; 512]).await.unwrap_err().kind(), BlockErrorKind::Failed);
        disk.write(0, &[1; 512]).await.unwrap();
    };
    runtime.run(work).unwrap();
}

#[test]
fn a_console_keeps_a_bounded_screen_and_input() {
    let runtime = FakeRuntime::new();
    let console = FakeConsole::new();
    console.type_text(&"x".repeat(2 * FakeConsole::INPUT_MAX));
    let work = async {
        let (mut reader, mut writer) = (console.clone(), console.clone());
        let mut input = vec![0; FakeConsole::INPUT_MAX];
        reader.read_exact(&mut input).await.unwrap();
        console.close();
        assert_eq!(reader.read(&mut input).await, Ok(0));
        for _ in 0..2_000 {
            writer.write_all(&[b'y'; 100]).await.unwrap();
        }
    };
    runtime.run(work).unwrap();
    assert_eq!(console.screen().len(), 65_536);
}

#[test]
fn a_violation_names_the_sentence_and_what_was_seen() {
    let violation = ensure(false, "It waits", || "did not".into()).unwrap_err();
    assert_eq!(violation, Violation { clause: "It waits", saw: "did not".into() });
    assert_eq!(violation.to_string(), "the contract says: It waits\nthe implementation: did not");
    assert_eq!(ensure(true, "It waits", || unreachable!()), Ok(()));
}
