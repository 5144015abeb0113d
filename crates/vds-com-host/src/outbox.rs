//! What goes to the service: answers at once, news one after the other and not too fast.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use vds_model::Notification;
use vds_plugin::{EVENTS_MAX, EventChange, Events, Status, frame, method, notification};

use crate::host::locked;
use crate::threads::spawn;

/// Between two notifications: fewer than the 200 in a second that the protocol allows.
const PAUSE: Duration = Duration::from_millis(6);

/// The way to the service.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    socket: Arc<Mutex<UnixStream>>,
    news: Sender<Vec<u8>>,
    /// Until the handshake is answered, nobody may be told anything.
    held: Arc<Mutex<Option<Receiver<Vec<u8>>>>>,
}

impl Outbox {
    pub(crate) fn new(socket: UnixStream) -> Self {
        let (news, held) = channel();
        let held = Arc::new(Mutex::new(Some(held)));
        Self { socket: Arc::new(Mutex::new(socket)), news, held }
    }

    /// Sends one message. When the service is gone, so is the process.
    pub(crate) fn send(&self, json: &[u8]) {
        let sent = locked(&self.socket).write_all(&frame(json));
        if sent.is_err() {
            std::process::exit(0);
        }
    }

    /// After the handshake: what was held back goes out, and everything after it.
    pub(crate) fn open(&self) {
        let Some(held) = locked(&self.held).take() else { return };
        let outbox = self.clone();
        let tell = move || {
            for news in held {
                outbox.send(&news);
                thread::sleep(PAUSE);
            }
        };
        if let Err(error) = spawn(tell) {
            eprintln!("error: no thread for what is to be told: {error}; allow more memory");
            std::process::exit(1);
        }
    }

    /// The newest status of an operation.
    pub(crate) fn operation_changed(&self, status: &Status) {
        self.tell(notification(method::OPERATION_CHANGED, status));
    }

    /// Events of one cause.
    pub(crate) fn events(&self, events: &[Notification]) {
        for events in events.chunks(EVENTS_MAX) {
            let changes = events.iter().copied().map(EventChange::from).collect();
            self.tell(notification(method::EVENTS, &Events { changes }));
        }
    }

    fn tell(&self, news: Vec<u8>) {
        // The receiver lives as long as an outbox does.
        let _ = self.news.send(news);
    }
}
