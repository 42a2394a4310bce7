//! Why a relay does not start. One line each, which says what to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a relay does not start.
#[derive(Debug)]
pub enum StartError {
    /// It would listen beyond loopback, and no LAN has a token.
    Exposed(SocketAddr),
    /// The address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// The address of a port forward cannot be listened on.
    Forward(SocketAddr, io::Error),
    /// A port forward leads into a LAN without a gateway.
    ForwardNowhere(String),
    /// The capture's file cannot be written.
    Capture(PathBuf, io::Error),
    /// The TAP interface cannot be had.
    Tap(String, io::Error),
    /// A setting is out of its range.
    Setting(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exposed(listen) => write!(
                f,
                "{listen} can be reached by others: give each LAN a secret with --token LAN=SECRET or --token-file FILE \
                 (`openssl rand -hex 16` makes one), or listen on 127.0.0.1"
            ),
            Self::Listen(address, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "{address} is taken, maybe by another relay: stop it, or choose another port with --listen")
            }
            Self::Listen(address, error) => {
                write!(f, "{address} cannot be listened on: {error}; choose another with --listen")
            }
            Self::Forward(address, error) => {
                write!(f, "--forward: {address} cannot be listened on: {error}; choose another port")
            }
            Self::ForwardNowhere(forward) => {
                write!(f, "--forward {forward}: that LAN has no gateway to forward through; name it with --nat")
            }
            Self::Capture(path, error) => write!(f, "--capture {}: cannot be written: {error}", path.display()),
            Self::Tap(name, error) if error.kind() == io::ErrorKind::PermissionDenied => write!(
                f,
                "--tap {name}: not permitted: run as root or with CAP_NET_ADMIN, or let root make it for you once: \
                 ip tuntap add dev {name} mode tap user $USER && ip link set {name} up"
            ),
            Self::Tap(name, error) => write!(f, "--tap {name}: cannot be had: {error}"),
            Self::Setting(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(_, error) | Self::Forward(_, error) | Self::Capture(_, error) | Self::Tap(_, error) => {
                Some(error)
            }
            Self::Exposed(_) | Self::ForwardNowhere(_) | Self::Setting(_) => None,
        }
    }
}
