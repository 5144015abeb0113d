//! The connections there are, and the messages they send each other: a session is changed by its own task only.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::SystemTime;

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use vds_iscsi::login::LoginOutcome;
use vds_iscsi::session::ManagementId;
use vds_iscsi::table::SessionTable;

use crate::unit::Unit;
use crate::{PortalId, SessionInfo};

/// Whose tasks a task management function of another session ends.
#[derive(Clone)]
pub(crate) enum Scope {
    /// Those on one LUN.
    Unit(Rc<Unit>),
    /// All of them.
    Target,
}

/// What one connection is told by others.
///
/// The channel has no bound of its own: messages come from the owner's calls and from task management functions, of
/// which each session has a bounded number in progress.
pub(crate) enum Message {
    /// The directory changed.
    Refresh,
    /// Ask the initiator to log out within so many seconds.
    RequestLogout(u16),
    /// End these tasks, reset the device servers if asked to, and let go of the barrier when the tasks are at rest.
    Abort { scope: Scope, reset: bool, barrier: Rc<Barrier> },
    /// Everybody else has let go of the barrier.
    AbortedElsewhere(ManagementId),
    /// End at once.
    Close,
}

/// Held by every session whose tasks end for the function of one; the last to let go tells that one.
pub(crate) struct Barrier {
    function: ManagementId,
    sender: UnboundedSender<Message>,
}

impl Drop for Barrier {
    fn drop(&mut self) {
        // A session that is gone waits for nothing.
        let _ = self.sender.send(Message::AbortedElsewhere(self.function));
    }
}

/// What is counted of a connection.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) commands: Cell<u64>,
    pub(crate) received_bytes: Cell<u64>,
    pub(crate) sent_bytes: Cell<u64>,
}

/// What is known once the login is done.
pub(crate) struct Established {
    pub(crate) outcome: LoginOutcome,
    since: SystemTime,
}

/// One connection as others see it.
pub(crate) struct Peer {
    pub(crate) id: u64,
    pub(crate) portal: PortalId,
    pub(crate) remote: SocketAddr,
    pub(crate) counters: Counters,
    /// Its TSIH, from the moment the table of sessions has it.
    tsih: Cell<Option<u16>>,
    established: RefCell<Option<Rc<Established>>>,
    sender: UnboundedSender<Message>,
}

impl Peer {
    /// The login is done.
    pub(crate) fn establish(&self, outcome: LoginOutcome) -> Rc<Established> {
        let established = Rc::new(Established { outcome, since: SystemTime::now() });
        *self.established.borrow_mut() = Some(established.clone());
        established
    }

    /// The table of sessions has it under this number, until the connection is removed.
    pub(crate) fn set_tsih(&self, tsih: u16) {
        self.tsih.set(Some(tsih));
    }

    pub(crate) fn tsih(&self) -> Option<u16> {
        self.tsih.get()
    }

    /// Whether it is a session with this target.
    pub(crate) fn is_with(&self, target: &str) -> bool {
        let established = self.established.borrow();
        established.as_ref().is_some_and(|own| own.outcome.key.target == target)
    }

    /// A barrier that tells this connection.
    pub(crate) fn barrier(&self, function: ManagementId) -> Rc<Barrier> {
        Rc::new(Barrier { function, sender: self.sender.clone() })
    }

    fn info(&self) -> Option<SessionInfo> {
        let established = self.established.borrow().clone()?;
        let outcome = &established.outcome;
        Some(SessionInfo {
            id: self.id,
            initiator: outcome.key.initiator.clone(),
            target: outcome.key.target.clone(),
            authenticated_name: outcome.authenticated_name.clone(),
            remote: self.remote,
            portal: self.portal,
            since: established.since,
            tsih: outcome.tsih,
            commands: self.counters.commands.get(),
            received_bytes: self.counters.received_bytes.get(),
            sent_bytes: self.counters.sent_bytes.get(),
        })
    }
}

/// All connections, and the table of sessions.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) table: RefCell<SessionTable>,
    peers: RefCell<BTreeMap<u64, Rc<Peer>>>,
    last_id: Cell<u64>,
    gone: Notify,
}

impl Registry {
    /// A new connection, with the mailbox its task reads.
    pub(super) fn add(
        &self,
        portal: PortalId,
        remote: SocketAddr,
    ) -> (Rc<Peer>, UnboundedReceiver<Message>) {
        let (sender, mailbox) = unbounded_channel();
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        let peer = Rc::new(Peer {
            id,
            portal,
            remote,
            counters: Counters::default(),
            tsih: Cell::new(None),
            established: RefCell::default(),
            sender,
        });
        self.peers.borrow_mut().insert(id, peer.clone());
        (peer, mailbox)
    }

    /// The connection has ended, with every command of it.
    pub(crate) fn remove(&self, peer: &Peer) {
        if let Some(tsih) = peer.tsih() {
            self.table.borrow_mut().remove(tsih);
        }
        self.peers.borrow_mut().remove(&peer.id);
        self.gone.notify_waiters();
    }

    /// Sends a message to those meant; how many there are.
    pub(crate) fn tell(
        &self,
        meant: impl Fn(&Peer) -> bool,
        message: impl Fn() -> Message,
    ) -> usize {
        let peers = self.peers.borrow();
        let mut count = 0;
        for peer in peers.values().filter(|peer| meant(peer)) {
            // A task that no longer reads its mailbox is ending already.
            let _ = peer.sender.send(message());
            count += 1;
        }
        count
    }

    pub(super) fn count(&self, meant: impl Fn(&Peer) -> bool) -> usize {
        self.peers.borrow().values().filter(|peer| meant(peer)).count()
    }

    pub(super) fn sessions(&self) -> Vec<SessionInfo> {
        self.peers.borrow().values().filter_map(|peer| peer.info()).collect()
    }

    /// Completes when there is no connection.
    pub(super) async fn all_gone(&self) {
        loop {
            let gone = self.gone.notified();
            if self.peers.borrow().is_empty() {
                return;
            }
            gone.await;
        }
    }
}
