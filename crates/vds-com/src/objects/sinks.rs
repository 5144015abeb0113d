//! Those who want to know: each with a stream of events and a thread of its own, so that none waits for another.
#![expect(unsafe_code, reason = "the sinks are the program's own objects")]
#![expect(non_snake_case, reason = "VDS's own names")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use vds_api::{Change, Event};
use vds_client::{Client, EventStream};

use super::answer::Answer;
use super::runtime;
use super::session::{Session, guid};
use crate::abi::{
    self, E_OUTOFMEMORY, IVdsAdviseSink, VDS_CONTROLLER_NOTIFICATION, VDS_DRIVE_NOTIFICATION,
    VDS_E_BAD_COOKIE, VDS_LUN_NOTIFICATION, VDS_NF_SERVICE_OUT_OF_SYNC, VDS_NOTIFICATION,
    VDS_NOTIFICATION_u, VDS_PORT_NOTIFICATION, VDS_PORTAL_GROUP_NOTIFICATION,
    VDS_PORTAL_NOTIFICATION, VDS_RA_REFRESH, VDS_SERVICE_NOTIFICATION, VDS_SUB_SYSTEM_NOTIFICATION,
    VDS_TARGET_NOTIFICATION,
};
use crate::com::ComPtr;

/// Most notifications of one call.
const NOTIFICATIONS_MAX: usize = 100;
/// Events that wait for a slow sink before its stream is left alone; what the service drops then is told as a gap.
const EVENTS_MAX: usize = 64;
/// Between two tries to reach a service that went away.
const AWAY_PAUSE: Duration = Duration::from_millis(250);

/// The sinks of a service object, by cookie.
#[derive(Default)]
pub(super) struct Sinks {
    sinks: Mutex<BTreeMap<u32, Sink>>,
}

struct Sink {
    is_over: Arc<AtomicBool>,
    reader: AbortHandle,
    thread: JoinHandle<()>,
}

impl Sinks {
    fn sinks(&self) -> MutexGuard<'_, BTreeMap<u32, Sink>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells this sink of everything from now on. The cookie is another than those in use, and not 0.
    pub(super) fn add(&self, session: &Session, sink: &IVdsAdviseSink) -> Answer<u32> {
        let stream = session.ask(|client| async move { client.events(None).await })?;
        let sink = Sink::begin(session.client(), stream, ComPtr::of(sink))?;
        let mut sinks = self.sinks();
        let cookie =
            (1..=u32::MAX).find(|cookie| !sinks.contains_key(cookie)).ok_or(E_OUTOFMEMORY)?;
        sinks.insert(cookie, sink);
        Ok(cookie)
    }

    /// Tells this sink nothing any more; a call that it is in is waited for, unless this is made from there.
    pub(super) fn remove(&self, cookie: u32) -> Answer<()> {
        let sink = self.sinks().remove(&cookie).ok_or(VDS_E_BAD_COOKIE)?;
        sink.end();
        Ok(())
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        let sinks = std::mem::take(&mut *self.sinks());
        sinks.into_values().for_each(Sink::end);
    }
}

impl Sink {
    fn begin(client: Client, stream: EventStream, sink: ComPtr<IVdsAdviseSink>) -> Answer<Self> {
        let (sender, mut receiver) = mpsc::channel::<Event>(EVENTS_MAX);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::Builder::new()
            .name("libvds sink".to_owned())
            .spawn(move || {
                while let Some(event) = receiver.blocking_recv() {
                    tell(&sink, &over, &event);
                }
            })
            .map_err(|_| E_OUTOFMEMORY)?;
        let reader = runtime::handle()?.spawn(read(client, stream, sender)).abort_handle();
        Ok(Self { is_over, reader, thread })
    }

    fn end(self) {
        self.is_over.store(true, Ordering::SeqCst);
        // With the reader the channel's other end goes, and the thread ends.
        self.reader.abort();
        if self.thread.thread().id() != thread::current().id() {
            // It does not panic; if it did, it is over all the same.
            drop(self.thread.join());
        }
    }
}

/// Reads events for a sink, over restarts of the service.
async fn read(client: Client, mut stream: EventStream, sender: mpsc::Sender<Event>) {
    loop {
        let event = if let Ok(Some(event)) = stream.next().await {
            event
        } else {
            stream = reopened(&client).await;
            missed()
        };
        if sender.send(event).await.is_err() {
            return;
        }
    }
}

async fn reopened(client: &Client) -> EventStream {
    loop {
        tokio::time::sleep(AWAY_PAUSE).await;
        if let Ok(stream) = client.events(None).await {
            return stream;
        }
    }
}

/// Something may have happened that nobody told.
fn missed() -> Event {
    Event {
        number: 0,
        unix_ms: 0,
        is_gap: true,
        provider: None,
        changes: Vec::new(),
        operation: None,
    }
}

fn tell(sink: &ComPtr<IVdsAdviseSink>, is_over: &AtomicBool, event: &Event) {
    let mut notifications = notifications(event);
    for batch in notifications.chunks_mut(NOTIFICATIONS_MAX) {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let count = i32::try_from(batch.len()).unwrap_or(i32::MAX);
        // SAFETY: the sink is alive: we hold a reference. There are as many as are announced. What it answers is its
        // own affair.
        let _ = unsafe { sink.OnNotify(count, batch.as_mut_ptr()) };
    }
}

fn notifications(event: &Event) -> Vec<VDS_NOTIFICATION> {
    let gap = event.is_gap.then_some(VDS_NOTIFICATION {
        objectType: abi::VDS_NTT_SERVICE,
        u: VDS_NOTIFICATION_u {
            Service: VDS_SERVICE_NOTIFICATION {
                ulEvent: VDS_NF_SERVICE_OUT_OF_SYNC,
                action: VDS_RA_REFRESH,
            },
        },
    });
    gap.into_iter().chain(event.changes.iter().filter_map(notification)).collect()
}

/// The change as VDS tells it; none for a kind of object that it does not tell of.
fn notification(change: &Change) -> Option<VDS_NOTIFICATION> {
    let id = guid(&change.object.id).ok()?;
    let ulEvent = change.number;
    let (objectType, u) = match change.object.noun.as_str() {
        "subsystem" => {
            let SubSystem = VDS_SUB_SYSTEM_NOTIFICATION { ulEvent, subSystemId: id };
            (abi::VDS_NTT_SUB_SYSTEM, VDS_NOTIFICATION_u { SubSystem })
        }
        "controller" => {
            let Controller = VDS_CONTROLLER_NOTIFICATION { ulEvent, controllerId: id };
            (abi::VDS_NTT_CONTROLLER, VDS_NOTIFICATION_u { Controller })
        }
        "port" => {
            let Port = VDS_PORT_NOTIFICATION { ulEvent, portId: id };
            (abi::VDS_NTT_PORT, VDS_NOTIFICATION_u { Port })
        }
        "drive" => {
            let Drive = VDS_DRIVE_NOTIFICATION { ulEvent, driveId: id };
            (abi::VDS_NTT_DRIVE, VDS_NOTIFICATION_u { Drive })
        }
        "lun" => {
            let Lun = VDS_LUN_NOTIFICATION { ulEvent, LunId: id };
            (abi::VDS_NTT_LUN, VDS_NOTIFICATION_u { Lun })
        }
        "target" => {
            let Target = VDS_TARGET_NOTIFICATION { ulEvent, targetId: id };
            (abi::VDS_NTT_TARGET, VDS_NOTIFICATION_u { Target })
        }
        "portal-group" => {
            let PortalGroup = VDS_PORTAL_GROUP_NOTIFICATION { ulEvent, portalGroupId: id };
            (abi::VDS_NTT_PORTAL_GROUP, VDS_NOTIFICATION_u { PortalGroup })
        }
        "portal" => {
            let Portal = VDS_PORTAL_NOTIFICATION { ulEvent, portalId: id };
            (abi::VDS_NTT_PORTAL, VDS_NOTIFICATION_u { Portal })
        }
        _ => return None,
    };
    Some(VDS_NOTIFICATION { objectType, u })
}
