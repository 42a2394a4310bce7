//! What the unikernel does, on a platform in memory: the same code, and no browser in sight.

// A test that fails should say where, and unwrap does.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use mirage_conformance::fakes::FakePlatform;
use mirage_http::{Client, ClientLimits};
use mirage_sig::{Args, Cidr, HttpClient, HttpRequest, Read, Shutdown, Sleep, Spawn, Stack};

fn platform(args: &[(&str, &str)]) -> FakePlatform {
    let given = args.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    FakePlatform::new(Args::check(given, web_demo::ARGS).unwrap())
}

/// Boots it, types the lines, asks it after three minutes to end, and gives what is on the screen.
fn session(platform: &FakePlatform, lines: &[&str]) -> String {
    lines.iter().for_each(|line| platform.type_line(line));
    let outside = platform.clone();
    drop(platform.spawn(async move {
        outside.sleep(Duration::from_secs(180)).await;
        outside.request_shutdown(Shutdown::Poweroff);
    }));
    platform.run(web_demo::start).unwrap();
    platform.screen()
}

#[test]
fn greets_and_says_good_bye() {
    let screen = session(&platform(&[]), &[]);
    assert!(screen.starts_with("Hello, world! This is fake, a unikernel.\n"), "{screen}");
    assert!(screen.ends_with("Good bye.\n"), "{screen}");
    let screen = session(&platform(&[("hello", "Cambridge"), ("name", "web")]), &[]);
    assert!(screen.starts_with("Hello, Cambridge! This is web, a unikernel.\n"), "{screen}");
}

#[test]
fn counts_its_visits_across_crashes() {
    let first = platform(&[]);
    assert!(session(&first, &[]).contains("Visit number 1."));
    let second = first.crashed();
    assert!(session(&second, &[]).contains("Visit number 2."));
    assert!(session(&second.crashed(), &[]).contains("Visit number 3."));
}

#[test]
fn answers_what_is_typed() {
    let answers = [
        ("help", "help, time, keys, get KEY"),
        ("set name Ada Lovelace", "name is Ada Lovelace, also after a reload"),
        ("get name", "Ada Lovelace"),
        ("keys", "/name /visits"),
        ("sleep 2", "slept for 2 s"),
        ("time", " s since boot, "),
        ("anything else", "You typed: anything else"),
        ("", "You typed: "),
    ];
    let lines: Vec<&str> = answers.iter().map(|(line, _)| *line).collect();
    let screen = session(&platform(&[]), &lines);
    let mut rest = &screen[..];
    for (line, answer) in answers {
        let at = rest.find(answer);
        assert!(at.is_some(), "{line:?} was not answered by {answer:?}:\n{screen}");
        rest = &rest[at.unwrap()..];
    }
}

/// Asks for pages from another host of its network: status, content type and text of each.
async fn visit(outside: FakePlatform, paths: &[&str]) -> Vec<(u16, String, String)> {
    let stack = outside.internet().stack(Cidr { address: [192, 0, 2, 1].into(), prefix: 24 });
    stack.configured().await.unwrap();
    let client = Client::new(&outside, stack, ClientLimits::default());
    let mut pages = Vec::new();
    for path in paths {
        let url = format!("http://{}{path}", FakePlatform::ADDRESS.address);
        let mut answer = client.request(HttpRequest::get(&url)).await.unwrap();
        let (mut text, mut piece) = (Vec::new(), [0; 256]);
        while let count @ 1.. = answer.body.read(&mut piece).await.unwrap() {
            text.extend_from_slice(&piece[..count]);
        }
        let kind = answer.header("content-type").unwrap_or_default().to_owned();
        pages.push((answer.status, kind, String::from_utf8(text).unwrap()));
    }
    pages
}

#[test]
fn serves_its_site_to_another_host() {
    let platform = platform(&[]);
    let outside = platform.clone();
    let visit = platform.spawn(async move {
        outside.sleep(Duration::from_secs(1)).await;
        visit(outside, &["/", "/how.html", "/packet.svg", "/status", "/nothing"]).await
    });
    let screen = session(&platform, &[]);
    assert!(screen.contains("My web site is at http://192.0.2.10/"), "{screen}");
    let pages = platform.runtime().run(visit).unwrap().unwrap();
    let heads: Vec<_> = pages.iter().map(|(status, kind, _)| (*status, kind.split(';').next().unwrap())).collect();
    let expected = [
        (200, "text/html"),
        (200, "text/html"),
        (200, "image/svg+xml"),
        (200, "application/json"),
        (404, "text/plain"),
    ];
    assert_eq!(heads, expected);
    assert!(pages[0].2.contains("Hello from a unikernel"));
    let status = &pages[3].2;
    assert!(status.starts_with(r#"{"visits": 1, "uptime": "#), "{status}");
    assert!(status.ends_with(r#""address": "192.0.2.10", "peer": "192.0.2.1"}"#), "{status}");
}

#[test]
fn says_what_did_not_work_and_goes_on() {
    let screen = session(&platform(&[]), &["get nothing", "get ../x", "sleep long", "set", "still here"]);
    assert_eq!(screen.matches("That did not work: ").count(), 4, "{screen}");
    assert!(screen.contains("You typed: still here\n"), "{screen}");
}

#[test]
#[should_panic = "somebody typed panic"]
fn panics_on_request() {
    session(&platform(&[]), &["panic"]);
}
