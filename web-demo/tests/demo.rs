//! What the unikernel does, on a platform in memory: the same code, and no browser in sight.

// A test that fails should say where, and unwrap does.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use mirage_conformance::fakes::FakePlatform;
use mirage_sig::{Args, Shutdown, Sleep, Spawn};

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
