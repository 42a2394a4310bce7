use super::*;
use proptest::prelude::*;

const SECRET: &str = "0123456789abcdef";

fn knock<'a>(path: &'a str, origin: Option<&'a str>) -> Knock<'a> {
    Knock { path, query: None, origin: origin.map(str::as_bytes), from_loopback: true }
}

fn local() -> Door {
    Door::new(Origin::local(), [], false)
}

fn exposed() -> Door {
    Door::new(
        vec!["https://lab.example.org".parse().unwrap()],
        [("lab".parse().unwrap(), SECRET.parse().unwrap())],
        true,
    )
}

#[test]
fn pages_of_this_host_come_in_on_any_port() {
    for origin in ["http://localhost", "http://localhost:5173", "https://127.0.0.1:8443", "http://[::1]:80"] {
        assert_eq!(local().admit(&knock("/lan/a", Some(origin))).unwrap().as_str(), "a", "{origin}");
    }
}

#[test]
fn pages_of_others_do_not() {
    let origins = [
        "http://localhost.example.org",
        "http://localhost:80.example.org",
        "http://localhostile",
        "http://localhost:",
        "http://localhost:+80",
        "http://localhost:99999",
        "http://localhost:80/",
        "http://example.org",
        "https://example.org:5173",
        "ftp://localhost",
        "null",
        "",
        "localhost",
        "HTTP://LOCALHOST",
    ];
    for origin in origins {
        let got = local().admit(&knock("/lan/a", Some(origin)));
        // An empty port is what no browser sends; it is refused like the rest.
        assert_eq!(got, Err(Refusal::Origin), "{origin}");
    }
    assert_eq!(
        local().admit(&Knock { origin: Some(b"http://localhost\xff"), ..knock("/", None) }),
        Err(Refusal::Origin)
    );
}

#[test]
fn a_client_without_origin_comes_in_from_this_host_only() {
    assert!(local().admit(&knock("/", None)).is_ok());
    assert_eq!(local().admit(&Knock { from_loopback: false, ..knock("/", None) }), Err(Refusal::NoOrigin));
}

#[test]
fn an_exposed_relay_asks_for_the_token() {
    let at = |path, query| {
        let knock = Knock { path, query, origin: Some(b"https://lab.example.org"), from_loopback: false };
        exposed().admit(&knock).map(|lan| lan.to_string())
    };
    assert_eq!(at("/lan/lab", Some("token=0123456789abcdef")), Ok("lab".to_owned()));
    assert_eq!(at("/lan/lab", Some("x=1&token=0123456789abcdef")), Ok("lab".to_owned()));
    for query in [
        None,
        Some(""),
        Some("token="),
        Some("token=0123456789abcde"),
        Some("token=0123456789abcdef0"),
        Some("Token=0123456789abcdef"),
    ] {
        assert_eq!(at("/lan/lab", query), Err(Refusal::Token), "{query:?}");
    }
    assert_eq!(
        at("/lan/other", Some("token=0123456789abcdef")),
        Err(Refusal::Token),
        "a LAN without a token is closed"
    );
    assert_eq!(at("/", Some("token=")), Err(Refusal::Token));
}

#[test]
fn origins_are_read_as_browsers_write_them() {
    let allows = |rule: &str, origin: &str| rule.parse::<Origin>().unwrap().allows(origin.as_bytes());
    assert!(allows("https://lab.example.org:443", "https://lab.example.org"));
    assert!(!allows("https://lab.example.org", "https://lab.example.org:444"));
    assert!(allows("https://LAB.example.org:444", "https://lab.example.org:444"));
    assert!(allows("http://[2001:db8::1]:*", "http://[2001:db8::1]:99"));
    assert!(allows("null", "null"));
    for bad in
        ["", "localhost", "http://", "http://a/b", "http://*", "http://a:b", "http://u@h", "://h", "http://h:70000"]
    {
        assert!(bad.parse::<Origin>().is_err(), "{bad}");
    }
}

#[test]
fn a_token_is_long_needs_no_quoting_and_is_not_shown() {
    for bad in ["", "short", "0123456789abcde", "0123456789abcde&", "0123456789 abcdef", "0123456789abcdeé"] {
        assert_eq!(bad.parse::<Token>(), Err(BadRule::Token), "{bad}");
    }
    assert!(!format!("{:?}", exposed()).contains(SECRET));
}

proptest! {
    /// Whatever is asked, an exposed LAN opens only to its secret and its page.
    #[test]
    fn nothing_else_opens(path in "(/lan/lab|/lan/.*|.*)", query in prop::option::of("(token=[0-9a-f]{0,20}|.*)"), origin in prop::option::of(any::<Vec<u8>>())) {
        let knock = Knock { path: &path, query: query.as_deref(), origin: origin.as_deref(), from_loopback: true };
        if let Ok(lan) = exposed().admit(&knock) {
            prop_assert_eq!(lan.as_str(), "lab");
            prop_assert!(query.unwrap_or_default().contains(SECRET));
        }
    }
}
