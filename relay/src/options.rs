//! The command line.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::config::{Config, Limits, PORT};
use crate::door::{Origin, Token};
use crate::error::StartError;
use crate::lan::LanName;
use crate::nat::{Forward, Nat, Network, Reach};

const EXAMPLES: &str = "\
Examples:
  mirage-relay
      For pages served by this host: ws://127.0.0.1:8086/lan/NAME. Each LAN has a gateway
      (10.0.2.2) with DHCP, DNS and a way to the Internet, but not to private networks.
  mirage-relay --allow-host --forward 8080:10.0.2.15:80
      The clients reach this host's own servers as 10.0.2.2, and http://127.0.0.1:8080 is the
      web server of the first client of LAN 0.
  mirage-relay --listen 0.0.0.0:8086 --token-file tokens --allow-origin https://lab.example.org
      For a class. The file has a line LAN=SECRET for each LAN; pages connect to
      ws://HOST:8086/lan/LAN?token=SECRET. Put a proxy with TLS in front: secrets travel in the URL.
  mirage-relay --nat none --tap lab/tap0
      LAN 'lab' is on the kernel's interface tap0, and nothing else is offered.

The log goes to standard error; RUST_LOG=debug tells more, RUST_LOG=warn less.";

/// What a browser tab's virtual Ethernet plugs into to leave the browser.
///
/// An Ethernet switch that is reached by WebSocket: each binary message is one Ethernet II frame. The URL's path names the LAN.
/// v86 and other emulators that speak to a relay speak to this one.
#[derive(Debug, Parser)]
#[command(name = "mirage-relay", version, after_help = EXAMPLES)]
pub struct Options {
    /// Where to listen. Beyond loopback, every LAN needs a token.
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from(([127, 0, 0, 1], PORT)))]
    listen: SocketAddr,

    /// Pages that may connect, as SCHEME://HOST[:PORT], a port of * being any. May be repeated. Without it: those of localhost,
    /// 127.0.0.1 and [::1].
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<Origin>,

    /// The secret of a LAN. May be repeated. Others on this host can read a command line: prefer --token-file.
    #[arg(long, value_name = "LAN=SECRET", value_parser = token)]
    token: Vec<(LanName, Token)>,

    /// A file with a line LAN=SECRET for each LAN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The same as --token, separated by commas.
    #[arg(long, value_name = "LAN=SECRET", env = "MIRAGE_RELAY_TOKENS", value_delimiter = ',', value_parser = token, hide = true, hide_env_values = true)]
    tokens: Vec<(LanName, Token)>,

    /// LANs with a gateway: all, none, or names separated by commas. Without it: all on loopback, none beyond.
    #[arg(long, value_name = "LANS", value_parser = nat)]
    nat: Option<Nat>,

    /// Let the gateway's clients reach this host's loopback, as 10.0.2.2.
    #[arg(long)]
    allow_host: bool,

    /// Let them reach a network that is not public. May be repeated. Without a value: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16
    /// and 100.64.0.0/10.
    #[arg(long, value_name = "NETWORK", num_args = 0..=1, require_equals = true)]
    allow_private: Option<Vec<Network>>,

    /// Lead a port of this host to a client of a LAN: [udp:][LAN/][ADDRESS:]PORT:GUEST:PORT. On loopback if no address is
    /// named. May be repeated.
    #[arg(long, value_name = "FORWARD")]
    forward: Vec<Forward>,

    /// The resolvers behind 10.0.2.3. May be repeated. Without it: those of /etc/resolv.conf.
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = resolver)]
    dns: Vec<SocketAddr>,

    /// Plug a kernel interface into a LAN (LAN 0 if none is named). Linux; needs CAP_NET_ADMIN, or an interface that root made
    /// for you. May be repeated.
    #[arg(long, value_name = "[LAN/]NAME", value_parser = tap)]
    tap: Vec<(LanName, String)>,

    /// Write all frames of all LANs to a file for Wireshark, an interface for each LAN.
    #[arg(long, value_name = "FILE.pcapng")]
    capture: Option<PathBuf>,

    /// Clients in all.
    #[arg(long, value_name = "N", default_value_t = Limits::default().clients)]
    max_clients: usize,

    /// Clients in one LAN.
    #[arg(long, value_name = "N", default_value_t = Limits::default().clients_per_lan)]
    max_clients_per_lan: usize,

    /// Bytes of a frame after its header.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().mtu)]
    mtu: usize,

    /// Frames from each client and second, a flooded one counted for each copy. Who is faster is slowed down. 0 is no limit.
    #[arg(long, value_name = "N", default_value_t = Limits::default().frames_per_second)]
    max_frames: u64,

    /// Bytes from each client and second. Who is faster is slowed down. 0 is no limit.
    #[arg(long, value_name = "N", default_value_t = Limits::default().bytes_per_second)]
    max_bytes: u64,

    /// Frames that wait for a slow client; what is above is dropped.
    #[arg(long, value_name = "N", default_value_t = Limits::default().queue)]
    queue: usize,

    /// TCP connections through one gateway.
    #[arg(long, value_name = "N", default_value_t = Limits::default().tcp_flows)]
    max_tcp_flows: usize,

    /// UDP ports of clients that one gateway serves at a time.
    #[arg(long, value_name = "N", default_value_t = Limits::default().udp_flows)]
    max_udp_flows: usize,

    /// Seconds between two pings; a client that answers none for three times as long is hung up on.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().ping_every.as_secs())]
    ping: u64,
}

impl Options {
    /// What the options ask for.
    ///
    /// # Errors
    /// The file of tokens cannot be read, or is none.
    pub fn config(self) -> Result<Config, StartError> {
        let mut tokens = self.token;
        tokens.extend(self.tokens);
        if let Some(path) = &self.token_file {
            let setting = |text: String| StartError::Setting(format!("--token-file {}: {text}", path.display()));
            let text = fs::read_to_string(path).map_err(|error| setting(error.to_string()))?;
            for (number, line) in text.lines().map(str::trim).enumerate() {
                if !line.is_empty() && !line.starts_with('#') {
                    tokens.push(token(line).map_err(|error| setting(format!("line {}: {error}", number + 1)))?);
                }
            }
        }
        let ping_every = Duration::from_secs(self.ping);
        let limits = Limits {
            clients: self.max_clients,
            clients_per_lan: self.max_clients_per_lan,
            mtu: self.mtu,
            frames_per_second: self.max_frames,
            bytes_per_second: self.max_bytes,
            queue: self.queue,
            tcp_flows: self.max_tcp_flows,
            udp_flows: self.max_udp_flows,
            ping_every,
            silence_max: ping_every.saturating_mul(3),
            ..Limits::default()
        };
        let private = match self.allow_private {
            None => Vec::new(),
            Some(networks) if networks.is_empty() => Network::PRIVATE.to_vec(),
            Some(networks) => networks,
        };
        let mut config = Config {
            listen: self.listen,
            tokens,
            limits,
            reach: Reach { host: self.allow_host, private },
            resolvers: self.dns,
            forwards: self.forward,
            taps: self.tap,
            capture: self.capture,
            ..Config::default()
        };
        if !self.allow_origin.is_empty() {
            config.origins = self.allow_origin;
        }
        // A stranger's traffic with this host's address on it is not what a default should bring.
        config.nat = self.nat.unwrap_or(if config.exposed() { Nat::None } else { Nat::All });
        Ok(config)
    }
}

/// The text after `LAN=` is never shown.
fn token(text: &str) -> Result<(LanName, Token), String> {
    let (lan, secret) = text.split_once('=').ok_or("write LAN=SECRET")?;
    Ok((
        lan.parse().map_err(|error| format!("{error}"))?,
        secret.parse().map_err(|error| format!("LAN {lan}: {error}"))?,
    ))
}

fn nat(text: &str) -> Result<Nat, String> {
    match text {
        "all" => Ok(Nat::All),
        "none" => Ok(Nat::None),
        lans => lans
            .split(',')
            .map(|lan| lan.parse().map_err(|error| format!("{error}")))
            .collect::<Result<_, _>>()
            .map(Nat::Only),
    }
}

fn resolver(text: &str) -> Result<SocketAddr, String> {
    let with_port = || text.parse().ok();
    let address = || text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 53));
    with_port().or_else(address).ok_or_else(|| format!("{text:?} is no address: write 192.168.1.1 or 127.0.0.1:5353"))
}

fn tap(text: &str) -> Result<(LanName, String), String> {
    match text.split_once('/') {
        Some((lan, name)) => Ok((lan.parse().map_err(|error| format!("{error}"))?, name.to_owned())),
        None => Ok((LanName::default(), text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn config(line: &str) -> Result<Config, String> {
        let options =
            Options::try_parse_from(format!("mirage-relay {line}").split(' ').filter(|word| !word.is_empty()));
        options.map_err(|error| error.to_string())?.config().map_err(|error| error.to_string())
    }

    #[test]
    fn the_options_are_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn the_gateway_is_on_by_default_for_this_host_alone() {
        assert_eq!(config("").unwrap().nat, Nat::All);
        assert_eq!(config("--listen 0.0.0.0:1").unwrap().nat, Nat::None);
        assert_eq!(config("--listen 0.0.0.0:1 --nat all").unwrap().nat, Nat::All);
        assert_eq!(config("--nat none").unwrap().nat, Nat::None);
        assert_eq!(config("--nat a,b").unwrap().nat, Nat::Only(vec!["a".parse().unwrap(), "b".parse().unwrap()]));
    }

    #[test]
    fn private_networks_are_allowed_by_name_or_together() {
        assert_eq!(config("").unwrap().reach.private, []);
        assert_eq!(config("--allow-private --nat all").unwrap().reach.private, Network::PRIVATE);
        let named = config("--allow-private=192.168.1.0/24 --allow-private=10.9.0.0/16").unwrap().reach.private;
        assert_eq!(named, ["192.168.1.0/24".parse().unwrap(), "10.9.0.0/16".parse().unwrap()]);
    }

    #[test]
    fn errors_say_what_to_write_and_show_no_secret() {
        for (line, says) in [
            ("--token lab", "LAN=SECRET"),
            ("--token lab=tooshort&secret", "openssl rand"),
            ("--forward 80:80", "8080:10.0.2.15:80"),
            ("--allow-origin localhost", "SCHEME://HOST"),
            ("--dns nonsense", "192.168.1.1"),
            ("--allow-private=x", "192.168.1.0/24"),
            ("--token-file /nonexistent/tokens", "/nonexistent/tokens"),
        ] {
            let error = config(line).unwrap_err();
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}
