//! Keeping the portals that listen and those that should the same.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vds_array::ExportedPortal;
use vds_model::{Change, Notification, PortalId, Subject};
use vds_provider::EventLog;
use vds_target::{PortalError, PortalSetup, Server};

use super::Facts;
use super::directory::{Directory, portal_id};

/// How often a portal that does not listen is tried again: its address may have come back.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The portals of all arrays.
pub(super) struct Portals {
    pub(super) server: Server,
    pub(super) directory: Rc<Directory>,
    pub(super) facts: Arc<Mutex<Facts>>,
    pub(super) events: EventLog,
    open: BTreeMap<PortalId, ExportedPortal>,
}

impl Portals {
    pub(super) fn new(
        server: Server,
        directory: Rc<Directory>,
        facts: Arc<Mutex<Facts>>,
        events: EventLog,
    ) -> Self {
        Self { server, directory, facts, events, open: BTreeMap::new() }
    }

    /// Takes over what the arrays export: closes what is gone, opens what is new, and tells every session. Returns
    /// whether every portal listens.
    pub(super) async fn apply(&mut self) -> bool {
        let exports = self.directory.exports();
        let wanted: BTreeMap<PortalId, ExportedPortal> = exports
            .iter()
            .flat_map(|export| &export.portals)
            .map(|portal| (portal.id, *portal))
            .collect();
        let gone: Vec<PortalId> = self
            .open
            .iter()
            .filter(|(id, portal)| wanted.get(id) != Some(portal))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.open.remove(&id);
            self.server.close_portal(portal_id(id));
        }
        self.forget(&wanted);
        for portal in wanted.values() {
            if !self.open.contains_key(&portal.id) {
                self.open_one(portal).await;
            }
        }
        self.server.refresh();
        self.open.len() == wanted.len()
    }

    /// Tries again what does not listen. Returns whether every portal listens.
    pub(super) async fn retry(&mut self) -> bool {
        let exports = self.directory.exports();
        let portals = exports.iter().flat_map(|export| &export.portals);
        let mut is_whole = true;
        for portal in portals {
            if !self.open.contains_key(&portal.id) {
                self.open_one(portal).await;
                is_whole &= self.open.contains_key(&portal.id);
            }
        }
        is_whole
    }

    async fn open_one(&mut self, portal: &ExportedPortal) {
        let setup = PortalSetup {
            id: portal_id(portal.id),
            listen: portal.listen,
            announce: portal.announce.map(|address| address.to_string()),
        };
        match self.server.open_portal(setup).await {
            Ok(listening) => {
                self.open.insert(portal.id, *portal);
                self.note(portal.id, |facts| {
                    facts.portals.failed.remove(&portal.id);
                    facts.portals.listening.insert(portal.id, listening) != Some(listening)
                });
            }
            Err(error) => {
                let reason = reason(&error);
                let told = reason.clone();
                let is_news = self.note(portal.id, |facts| {
                    facts.portals.listening.remove(&portal.id);
                    facts.portals.failed.insert(portal.id, reason.clone()) != Some(reason)
                });
                if is_news {
                    tracing::error!(
                        portal = %portal.id, error.code = "portal.listen_failed", error = told,
                        "a portal does not listen"
                    );
                }
            }
        }
    }

    /// Changes what is known of a portal; the world is told when that is news.
    fn note(&self, portal: PortalId, change: impl FnOnce(&mut Facts) -> bool) -> bool {
        let is_news = {
            let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
            let is_news = change(&mut facts);
            facts.version += u64::from(is_news);
            is_news
        };
        if is_news {
            let event = Notification::new(Subject::Portal(portal), Change::Modify);
            self.events.publish(event.into_iter().collect());
        }
        is_news
    }

    fn forget(&self, wanted: &BTreeMap<PortalId, ExportedPortal>) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let open = &self.open;
        facts.portals.listening.retain(|id, _| open.contains_key(id));
        facts.portals.failed.retain(|id, _| wanted.contains_key(id));
        facts.version += 1;
    }
}

fn reason(error: &PortalError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
