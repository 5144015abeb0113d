//! The server: portals, the connections they take in, and what its owner can ask of it.

mod gate;
mod registry;

pub(crate) use gate::Gate;
pub(crate) use registry::{Barrier, Message, Peer, Registry, Scope};

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use vds_iscsi::operational::Offer;
use vds_iscsi::session::{self, DiscoveredTarget};

use crate::connection;
use crate::unit::Units;
use crate::{PortalId, TargetDirectory};

/// How much a server takes on. Every queue and wait is bounded by one of these.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, over all portals, those logging in among them.
    pub connections_max: usize,
    /// Connections at once through one portal.
    pub connections_per_portal_max: usize,
    /// Sessions at once.
    pub sessions_max: usize,
    /// How long a login may take.
    pub login_timeout: Duration,
    /// After so long without a byte the initiator is asked for a sign of life; after as long again without one the
    /// connection is dropped, and so is one that takes no byte of what waits for it.
    pub ping_interval: Duration,
    /// Data on its way to an initiator, per connection; beyond it no further command is looked at.
    pub output_bytes_max: usize,
    /// Commands, solicited data and functions per session.
    pub session: session::Limits,
    /// What logins agree to.
    pub offer: Offer,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            connections_per_portal_max: 512,
            sessions_max: 1024,
            login_timeout: Duration::from_secs(15),
            ping_interval: Duration::from_secs(15),
            output_bytes_max: 16 << 20,
            session: session::Limits::default(),
            offer: Offer::default(),
        }
    }
}

/// A portal to be opened.
#[derive(Clone, Debug)]
pub struct PortalSetup {
    /// Its name.
    pub id: PortalId,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Address and port that discovery tells (`host:port`), where that is another: behind address translation. `None`
    /// tells the address listened on, or, for a wildcard, the one the initiator used.
    pub announce: Option<String>,
}

/// A portal that did not open. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortalError {
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A portal of this name is open already.
    #[error("the portal is open already, on {listen}")]
    AlreadyOpen {
        /// Where it listens.
        listen: SocketAddr,
    },
}

impl PortalError {
    /// Stable: in REST bodies, `--json` and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "portal.listen",
            Self::AlreadyOpen { .. } => "portal.already_open",
        }
    }
}

/// A session, for display.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Its number, never used twice by one server.
    pub id: u64,
    /// The initiator's name.
    pub initiator: String,
    /// The target's name; empty for a discovery session.
    pub target: String,
    /// The name proved by CHAP.
    pub authenticated_name: Option<String>,
    /// Where the initiator comes from.
    pub remote: SocketAddr,
    /// The portal it came in by.
    pub portal: PortalId,
    /// Since when.
    pub since: SystemTime,
    /// Our part of the session's identity.
    pub tsih: u16,
    /// SCSI commands begun.
    pub commands: u64,
    /// Bytes received on the connection.
    pub received_bytes: u64,
    /// Bytes sent on the connection.
    pub sent_bytes: u64,
}

struct Portal {
    listen: SocketAddr,
    announce: Option<String>,
    accepting: JoinHandle<()>,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) directory: Rc<dyn TargetDirectory>,
    pub(crate) limits: Limits,
    pub(crate) units: Units,
    pub(crate) registry: Registry,
    portals: RefCell<BTreeMap<PortalId, Portal>>,
    shutting_down: Cell<bool>,
}

/// A target server on this thread. Clones are the same server.
#[derive(Clone)]
pub struct Server {
    shared: Rc<Shared>,
}

impl Server {
    /// A server without a portal.
    pub fn new(directory: Rc<dyn TargetDirectory>, limits: Limits) -> Self {
        let shared = Shared {
            directory,
            limits,
            units: Units::default(),
            registry: Registry::default(),
            portals: RefCell::default(),
            shutting_down: Cell::new(false),
        };
        Self { shared: Rc::new(shared) }
    }

    /// Opens a portal and returns where it listens. Must run inside a `LocalSet`.
    ///
    /// # Errors
    /// [`PortalError`]; nothing has changed then.
    pub async fn open_portal(&self, setup: PortalSetup) -> Result<SocketAddr, PortalError> {
        if let Some(open) = self.shared.portals.borrow().get(&setup.id) {
            return Err(PortalError::AlreadyOpen { listen: open.listen });
        }
        let failed = |source| PortalError::Listen { listen: setup.listen, source };
        let listener = TcpListener::bind(setup.listen).await.map_err(failed)?;
        let listen = listener.local_addr().map_err(failed)?;
        let accepting = tokio::task::spawn_local(accept(self.shared.clone(), setup.id, listener));
        let portal = Portal { listen, announce: setup.announce, accepting };
        if let Some(other) = self.shared.portals.borrow_mut().insert(setup.id, portal) {
            other.accepting.abort();
        }
        tracing::info!(%listen, "portal opened");
        Ok(listen)
    }

    /// Closes a portal: nobody comes in by it any more, and the sessions that did end. Returns whether it was open.
    pub fn close_portal(&self, id: PortalId) -> bool {
        let Some(portal) = self.shared.portals.borrow_mut().remove(&id) else { return false };
        portal.accepting.abort();
        self.shared.registry.tell(|peer| peer.portal == id, || Message::Close);
        tracing::info!(listen = %portal.listen, "portal closed");
        true
    }

    /// Where the portal listens, if it is open.
    pub fn portal_address(&self, id: PortalId) -> Option<SocketAddr> {
        self.shared.portals.borrow().get(&id).map(|portal| portal.listen)
    }

    /// The directory says something else now. Every session looks at once: LUNs come and go, with a unit attention;
    /// sessions of a target that is gone, or may no longer be used, end.
    pub fn refresh(&self) {
        self.shared.registry.tell(|_| true, || Message::Refresh);
        self.shared.units.prune();
    }

    /// Every session.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.shared.registry.sessions()
    }

    /// Ends one session. Returns whether there was such a one.
    pub fn end_session(&self, id: u64) -> bool {
        self.shared.registry.tell(|peer| peer.id == id, || Message::Close) > 0
    }

    /// Closes all portals, asks every initiator to log out within `grace`, and ends the sessions that are left. Returns
    /// when every command begun has ended.
    pub async fn shutdown(&self, grace: Duration) {
        self.shared.shutting_down.set(true);
        for portal in std::mem::take(&mut *self.shared.portals.borrow_mut()).into_values() {
            portal.accepting.abort();
        }
        let seconds = u16::try_from(grace.as_secs()).unwrap_or(u16::MAX);
        let registry = &self.shared.registry;
        registry.tell(|_| true, || Message::RequestLogout(seconds));
        if tokio::time::timeout(grace, registry.all_gone()).await.is_err() {
            registry.tell(|_| true, || Message::Close);
            registry.all_gone().await;
        }
    }
}

impl Shared {
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.get()
    }

    /// The targets `initiator` may see, all or of one name, with the addresses to announce to somebody connected to
    /// `local`.
    pub(crate) fn discovered(
        &self,
        initiator: &str,
        name: Option<&str>,
        local: SocketAddr,
    ) -> Vec<DiscoveredTarget> {
        let visible = self.directory.visible_targets(initiator);
        let wanted = visible.into_iter().filter(|own| name.is_none_or(|name| name == own));
        let portals = self.portals.borrow();
        wanted
            .filter_map(|name| {
                let target = self.directory.target(&name)?;
                let mut addresses = Vec::new();
                for group in &target.portal_groups {
                    let open = group.portals.iter().filter_map(|id| portals.get(id));
                    addresses.extend(open.map(|portal| (portal.announced(local), group.tag)));
                }
                Some(DiscoveredTarget { name, addresses })
            })
            .collect()
    }
}

impl Portal {
    fn announced(&self, local: SocketAddr) -> String {
        match &self.announce {
            Some(announce) => announce.clone(),
            None if self.listen.ip().is_unspecified() => {
                SocketAddr::new(local.ip().to_canonical(), self.listen.port()).to_string()
            }
            None => self.listen.to_string(),
        }
    }
}

/// How long to leave a listener alone that could not accept: most likely file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

async fn accept(shared: Rc<Shared>, portal: PortalId, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((socket, remote)) => take_in(&shared, portal, socket, remote),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn take_in(shared: &Rc<Shared>, portal: PortalId, socket: TcpStream, remote: SocketAddr) {
    let limits = &shared.limits;
    let through_portal = shared.registry.count(|peer| peer.portal == portal);
    if shared.registry.count(|_| true) >= limits.connections_max
        || through_portal >= limits.connections_per_portal_max
    {
        tracing::warn!(%remote, "too many connections, one more refused");
        return;
    }
    // Answers are written whole; waiting for more to send would only add latency.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, %remote, "connection gone before it began");
        return;
    }
    let (peer, mailbox) = shared.registry.add(portal, remote);
    let shared = shared.clone();
    tokio::task::spawn_local(connection::serve(shared, socket, peer, mailbox));
}
