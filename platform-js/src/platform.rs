//! The browser as a platform: where an application gets its devices.

use std::rc::Rc;

use mirage_sig::{Args, Context, Failure, Platform, Shutdown};
use mirage_tcpip::{Config, Tcpip};

use crate::block::Disk;
use crate::console::PageConsole;
use crate::domain::Domain;
use crate::http::Fetch;
use crate::kv::IndexedDb;
use crate::network::Interface;

/// Bytes that a connection keeps in each direction, which is also its window. A round trip over the page's switch takes half a
/// millisecond, as each way is two messages between workers: mirage-tcpip's 64 KiB would be a gigabit a second at most.
const TCP_BUFFER: usize = 128 * 1024;

/// The platform that a unikernel runs on in the browser, in the window or in a dedicated worker.
#[derive(Clone)]
pub struct Browser(Rc<Domain>);

impl Browser {
    pub(crate) fn new(domain: Rc<Domain>) -> Self {
        Self(domain)
    }

    pub(crate) fn domain(&self) -> &Rc<Domain> {
        &self.0
    }
}

impl Platform for Browser {
    type Console = PageConsole;
    type Network = Interface;
    type Stack = Tcpip;
    type Kv = IndexedDb;
    type Block = Disk;
    type Http = Fetch;

    fn name(&self) -> &str {
        &self.0.name
    }

    fn args(&self) -> &Args {
        &self.0.args
    }

    async fn shutdown_requested(&self) -> Shutdown {
        self.0.shutdown_requested().await
    }

    fn console(&self) -> PageConsole {
        self.0.terminal.console()
    }

    /// `name` is spelled as the argument `net`: `lan:0`, or a relay's address. The empty name without that argument is
    /// `lan:0`, which all tabs of this origin share. To the network that the argument chose, the first interface goes by the
    /// page's own switch, if the page has one; a LAN is the same one on either way.
    async fn network(&self, name: &str) -> Result<Interface, Failure> {
        let chosen = self.0.args.text("net").unwrap_or("lan:0");
        let name = if name.is_empty() { chosen } else { name };
        let cable = if name == chosen { self.0.take_cable() } else { None };
        let interface = match cable {
            Some(port) => Interface::on_port(name, port),
            None => Interface::plug_in(name)?,
        };
        self.0.watch_network(interface.meter());
        Ok(interface)
    }

    /// A stack on the network that the argument `net` chose: the same one however often it is asked for.
    async fn stack(&self) -> Result<Tcpip, Failure> {
        if let Some(stack) = self.0.stack() {
            return Ok(stack);
        }
        let mut config = Config::from_args(&self.0.args)?;
        config.hostname.clone_from(&self.0.name);
        config.tcp.receive_buffer = TCP_BUFFER;
        config.tcp.send_buffer = TCP_BUFFER;
        let stack = Tcpip::new(self.network("").await?, self, config)?;
        self.0.keep_stack(stack.clone());
        Ok(stack)
    }

    async fn kv(&self, name: &str) -> Result<IndexedDb, Failure> {
        let store = IndexedDb::open(&self.0.name, name).await?;
        self.0.watch_store(name);
        Ok(store)
    }

    async fn block(&self, name: &str) -> Result<Disk, Failure> {
        Disk::open(&self.0.name, name).await.context(format!("disk {name:?}"))
    }

    fn http(&self) -> Fetch {
        Fetch
    }
}
