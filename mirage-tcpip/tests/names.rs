//! Names: servers that answer, that do not, and that are not asked twice.
#![allow(clippy::unwrap_used)]

mod common;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use common::{Hub, SECOND, address, run, stack, stack_with, within};
use mirage_conformance::fakes::FakeRuntime;
use mirage_sig::{MonotonicClock, NetError, NetErrorKind, Runtime, Sleep, Spawn, Stack, UdpSocket};
use mirage_tcpip::{Error, Tcpip};

/// What a server says to a question, given its name and type.
type Answer = Box<dyn Fn(&str, u8) -> Reply>;

enum Reply {
    /// Addresses of version 4 by their last byte, and seconds for which they are good.
    Addresses(Vec<u8>, u32),
    Code(u8),
    Silence,
    /// Another identifier than that of the question.
    Forged,
}

/// Serves names on `stack`; what it was asked is in the list.
fn serve(runtime: &FakeRuntime, stack: Tcpip, answer: Answer) -> Rc<RefCell<Vec<(String, u8)>>> {
    let asked = Rc::new(RefCell::new(Vec::new()));
    let noted = asked.clone();
    runtime.spawn_boxed(Box::pin(async move {
        let socket = stack.bind(53).unwrap();
        let mut buffer = [0; 600];
        loop {
            let (length, from) = socket.receive_from(&mut buffer).await.unwrap();
            let question = &buffer[..length];
            let (mut name, mut at) = (String::new(), 12);
            while question[at] != 0 {
                let label = usize::from(question[at]);
                name.push_str(std::str::from_utf8(&question[at + 1..at + 1 + label]).unwrap());
                name.push('.');
                at += 1 + label;
            }
            let kind = question[length - 3];
            noted.borrow_mut().push((name.clone(), kind));
            let mut message = question.to_vec();
            message[2] = 0x81;
            match answer(&name, kind) {
                Reply::Silence => continue,
                Reply::Code(code) => message[3] = code,
                Reply::Forged => message[0] ^= 0xff,
                Reply::Addresses(numbers, ttl) => {
                    for number in numbers.into_iter().filter(|_| kind == 1) {
                        message[7] += 1;
                        message.extend([0xc0, 12, 0, 1, 0, 1]);
                        message.extend(ttl.to_be_bytes());
                        message.extend([0, 4, 192, 0, 2, number]);
                    }
                }
            }
            socket.send_to(&message, from).await.unwrap();
        }
    }));
    asked
}

fn kind<T>(result: Result<T, Error>) -> Option<NetErrorKind> {
    result.err().map(|error| NetError::kind(&error))
}

#[test]
fn answers_are_remembered_as_long_as_they_are_good() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let client = stack_with(&runtime, &hub, 1, |config| config.dns = vec![address(3).into()]);
        let asked = serve(
            &runtime,
            stack(&runtime, &hub, 3),
            Box::new(|name, _| match name {
                "two.example." => Reply::Addresses(vec![7, 9], 100),
                _ => Reply::Code(3),
            }),
        );
        let two = [7, 9].map(|number| IpAddr::from([192, 0, 2, number]));
        for _ in 0..5 {
            assert_eq!(client.resolve("Two.EXAMPLE").await.unwrap(), two);
        }
        assert_eq!(*asked.borrow(), [("two.example.".into(), 1), ("two.example.".into(), 28)]);
        runtime.sleep(101 * SECOND).await;
        assert_eq!(client.resolve("two.example.").await.unwrap(), two);
        assert_eq!(asked.borrow().len(), 4);
        // So is that there is none, for a short time.
        for _ in 0..3 {
            assert_eq!(kind(client.resolve("none.example").await), Some(NetErrorKind::NotFound));
        }
        assert!(asked.borrow().len() <= 6);
        let stats = client.stats().dns;
        assert_eq!((stats.hits, stats.misses, stats.failed), (6, 3, 1));
        for nonsense in ["", "a..b", "two example"] {
            assert_eq!(kind(client.resolve(nonsense).await), Some(NetErrorKind::NotFound));
        }
        assert!(asked.borrow().len() <= 6, "nobody was asked for nonsense");
    });
}

#[test]
fn those_who_ask_at_the_same_time_share_a_question() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let client = stack_with(&runtime, &hub, 1, |config| config.dns = vec![address(3).into()]);
        let asked = serve(&runtime, stack(&runtime, &hub, 3), Box::new(|_, _| Reply::Addresses(vec![7], 0)));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let client = client.clone();
                runtime.spawn(async move { client.resolve("a.example").await })
            })
            .collect();
        // Who asked first loses interest.
        tasks[0].cancel();
        for task in tasks.into_iter().skip(1) {
            assert_eq!(task.await.unwrap().unwrap(), [IpAddr::from([192, 0, 2, 7])]);
        }
        assert_eq!(asked.borrow().len(), 2);
        // Good for no time at all: asked again.
        client.resolve("a.example").await.unwrap();
        assert_eq!(asked.borrow().len(), 4);
    });
}

#[test]
fn another_server_is_asked_when_one_fails() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let servers = vec![address(3).into(), address(99).into(), address(4).into(), address(5).into()];
        let client = stack_with(&runtime, &hub, 1, |config| config.dns = servers);
        let broken = serve(&runtime, stack(&runtime, &hub, 3), Box::new(|_, _| Reply::Code(2)));
        let silent = serve(&runtime, stack(&runtime, &hub, 4), Box::new(|_, _| Reply::Silence));
        let _good = serve(&runtime, stack(&runtime, &hub, 5), Box::new(|_, _| Reply::Addresses(vec![8], 9)));
        let found = within(&runtime, 10 * SECOND, client.resolve("a.example")).await.unwrap();
        assert_eq!(found, [IpAddr::from([192, 0, 2, 8])]);
        assert!(!broken.borrow().is_empty() && !silent.borrow().is_empty());
    });
}

#[test]
fn forged_and_missing_answers_are_no_answers() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let client = stack_with(&runtime, &hub, 1, |config| config.dns = vec![address(3).into()]);
        let _forger = serve(&runtime, stack(&runtime, &hub, 3), Box::new(|_, _| Reply::Forged));
        let begun = runtime.now();
        assert_eq!(kind(client.resolve("a.example").await), Some(NetErrorKind::TimedOut));
        assert!(runtime.now() - begun < 10 * SECOND);
        let nobody = stack(&runtime, &hub, 9);
        let error = nobody.resolve("a.example").await.unwrap_err();
        assert!(error.to_string().contains("argument dns"), "{error}");
    });
}

#[test]
fn what_is_remembered_is_bounded() {
    let runtime = FakeRuntime::new();
    run(&runtime, async {
        let hub = Hub::new(&runtime);
        let client = stack_with(&runtime, &hub, 1, |config| {
            config.dns = vec![address(3).into()];
            config.limits.names = 4;
        });
        let asked = serve(&runtime, stack(&runtime, &hub, 3), Box::new(|_, _| Reply::Addresses(vec![7], 1_000)));
        for number in 0..10 {
            client.resolve(&format!("n{number}.example")).await.unwrap();
        }
        let before = asked.borrow().len();
        client.resolve("n9.example").await.unwrap();
        assert_eq!(asked.borrow().len(), before);
        client.resolve("n0.example").await.unwrap();
        assert_eq!(asked.borrow().len(), before + 2);
        assert!(runtime.timeout(SECOND, async {}).await.is_ok());
    });
}
