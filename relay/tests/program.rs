//! The program itself: what it prints, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

fn relay(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mirage-relay"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("MIRAGE_RELAY_TOKENS");
    command
}

#[test]
fn what_cannot_start_says_why_in_one_line() {
    for (arguments, says) in [
        (&["--listen", "0.0.0.0:0"][..], "--token LAN=SECRET"),
        (&["--listen", "192.0.2.1:1", "--token", "a=0123456789abcdef"], "192.0.2.1:1 cannot be listened on"),
        (&["--listen", "127.0.0.1:0", "--mtu", "100"], "--mtu 100"),
        (&["--listen", "127.0.0.1:0", "--nat", "none", "--forward", "0:10.0.2.15:80"], "no gateway"),
        (&["--listen", "127.0.0.1:0", "--capture", "/nonexistent/x.pcapng"], "/nonexistent/x.pcapng"),
        (&["--listen", "127.0.0.1:0", "--tap", "a-name-that-is-too-long"], "1 to 15 characters"),
    ] {
        let output = relay(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(says) && text.lines().count() == 1, "{arguments:?}: {text}");
    }
}

#[test]
fn the_help_teaches() {
    let output = relay(&["--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["Examples:", "--allow-host", "ws://127.0.0.1:8086/lan/NAME", "--token-file", "RUST_LOG"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[cfg(unix)]
#[test]
fn it_ends_in_order_when_it_is_asked_to() {
    for signal in ["-INT", "-TERM"] {
        let mut child = relay(&["--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains("ws://127.0.0.1:"), "{line}");
        assert!(Command::new("kill").arg(signal).arg(child.id().to_string()).status().unwrap().success());
        assert!(child.wait().unwrap().success());
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("ending"), "{rest}");
    }
}
