//! The full-feature phase: one task that takes whatever is ready, applies it, and writes the answers in one go.
//!
//! ```text
//!   drive: messages ──► outcomes of the LUN ──► PDUs from the socket ──► one vectored write ──► again, until nothing moves
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_util::stream::{FuturesUnordered, Stream, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Interval, MissedTickBehavior, interval_at};
use vds_iscsi::chap::ChapCredential;
use vds_iscsi::login::LoginOutcome;
use vds_iscsi::pdu::{FrameDecoder, FrameError};
use vds_iscsi::session::{Session, Violation};
use vds_scsi::NexusId;

use super::commands::Slot;
use crate::action::Running;
use crate::outgoing::Outgoing;
use crate::server::{Barrier, Message, Peer, Shared};
use crate::unit::LunMap;

/// Room made in the receive buffer before a read: many commands, or sixteen writes of 4 KiB.
const READ_BYTES: usize = 64 << 10;

/// Why a session ended.
#[derive(Debug)]
pub(super) enum End {
    LoggedOut,
    PeerClosed,
    /// The owner closed it, or another session took its place.
    Closed,
    Silent,
    Socket(io::Error),
    Frame(FrameError),
    Violation(Violation),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoggedOut => f.write_str("logged out"),
            Self::PeerClosed => f.write_str("closed by the initiator"),
            Self::Closed => f.write_str("closed by the target"),
            Self::Silent => f.write_str("no sign of life"),
            Self::Socket(error) => write!(f, "socket failed: {error}"),
            Self::Frame(error) => write!(f, "unreadable PDU: {error}"),
            Self::Violation(violation) => write!(f, "protocol violation: {violation}"),
        }
    }
}

/// One session at work.
pub(super) struct FullFeature {
    pub(super) shared: Rc<Shared>,
    pub(super) peer: Rc<Peer>,
    pub(super) initiator: String,
    pub(super) target: String,
    /// The tag of the portal group that it came in by.
    pub(super) portal_group_tag: u16,
    /// What it had to prove one of.
    pub(super) accepted: Vec<ChapCredential>,
    pub(super) local: SocketAddr,
    socket: TcpStream,
    mailbox: UnboundedReceiver<Message>,
    decoder: FrameDecoder,
    input: BytesMut,
    pub(super) out: Outgoing,
    pub(super) session: Session,
    pub(super) luns: LunMap,
    /// Tasks the device server has seen, by slot.
    pub(super) slots: Vec<Option<Slot>>,
    pub(super) running: FuturesUnordered<Running>,
    /// Bytes being read of LUNs: they will be output.
    pub(super) reading_bytes: usize,
    /// Functions of other sessions that wait for tasks of this one, by the number given to the session.
    pub(super) barriers: BTreeMap<u64, Rc<Barrier>>,
    pub(super) next_barrier: u64,
    /// A cold reset was asked for here: this session ends as well, after its answer.
    pub(super) closes_after_reset: bool,
    ticks: Interval,
    /// Bytes received and sent at the last tick.
    at_last_tick: (u64, u64),
    /// Set when nothing more is read: what is queued is sent, then it ends.
    pub(super) ending: Option<End>,
}

impl FullFeature {
    pub(super) fn new(
        shared: Rc<Shared>,
        peer: Rc<Peer>,
        outcome: &LoginOutcome,
        socket: TcpStream,
        mailbox: UnboundedReceiver<Message>,
        input: BytesMut,
    ) -> Self {
        let parameters = outcome.parameters;
        let limits = shared.limits.session;
        let slots = limits.queue_depth + limits.immediate_max;
        let mut out = Outgoing::default();
        out.set_digests(parameters.digests);
        let period = shared.limits.ping_interval;
        let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let local = socket.local_addr().unwrap_or(peer.remote);
        let mut new = Self {
            initiator: outcome.key.initiator.clone(),
            target: outcome.key.target.clone(),
            portal_group_tag: outcome.key.portal_group_tag,
            accepted: outcome.accepted.clone(),
            local,
            socket,
            mailbox,
            decoder: FrameDecoder::new(parameters.digests, parameters.recv_data_bytes_max as usize),
            input,
            out,
            session: Session::new(outcome, limits),
            luns: LunMap::new(NexusId(peer.id)),
            slots: (0..slots).map(|_| None).collect(),
            running: FuturesUnordered::new(),
            reading_bytes: 0,
            barriers: BTreeMap::new(),
            next_barrier: 0,
            closes_after_reset: false,
            ticks,
            at_last_tick: (0, 0),
            ending: None,
            shared,
            peer,
        };
        new.refresh();
        new
    }

    /// Works until the session is over, and then until the LUNs are done with what was begun.
    pub(super) async fn run(mut self) -> End {
        let end = poll_fn(|context| self.drive(context)).await;
        let Self { socket, mut running, .. } = self;
        drop(socket);
        while running.next().await.is_some() {}
        end
    }

    fn drive(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            let mut moved = self.take_messages(context);
            moved |= self.take_outcomes(context);
            moved |= self.take_input(context);
            match self.out.poll_write(context, &mut self.socket) {
                Poll::Ready(Ok(0)) | Poll::Pending => {}
                Poll::Ready(Ok(count)) => {
                    let sent = &self.peer.counters.sent_bytes;
                    sent.set(sent.get() + count as u64);
                    moved = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(End::Socket(error)),
            }
            if self.ticks.poll_tick(context).is_ready() {
                self.tick();
                moved = true;
            }
            let flushed = self.out.is_empty() || matches!(self.ending, Some(End::Silent));
            if flushed && let Some(end) = self.ending.take() {
                return Poll::Ready(end);
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    fn take_messages(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Poll::Ready(Some(message)) = self.mailbox.poll_recv(context) {
            self.message(message);
            self.take_effects(context);
            moved = true;
        }
        moved
    }

    fn take_outcomes(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Poll::Ready(Some((task, outcome))) =
            Pin::new(&mut self.running).poll_next(context)
        {
            self.finish(task, outcome);
            self.take_effects(context);
            moved = true;
        }
        moved
    }

    /// Takes the PDUs that are there, as far as the answers have room, and reads more.
    fn take_input(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        loop {
            let waiting = self.out.len() + self.reading_bytes;
            if self.ending.is_some() || waiting > self.shared.limits.output_bytes_max {
                return moved;
            }
            match self.decoder.next(&mut self.input) {
                Ok(Some(frame)) => {
                    let result = self.session.handle(&frame);
                    self.take_effects(context);
                    if let Err(violation) = result {
                        self.ending = Some(End::Violation(violation));
                    }
                    moved = true;
                }
                Ok(None) => break,
                Err(error) => {
                    self.ending = Some(End::Frame(error));
                    return true;
                }
            }
        }
        match self.poll_read(context) {
            Poll::Pending => moved,
            Poll::Ready(Ok(0)) => {
                self.ending = Some(End::PeerClosed);
                true
            }
            Poll::Ready(Ok(count)) => {
                let received = &self.peer.counters.received_bytes;
                received.set(received.get() + count as u64);
                true
            }
            Poll::Ready(Err(error)) => {
                self.ending = Some(End::Socket(error));
                true
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // The rest of a PDU that has begun is taken in one go; its length was checked when it was looked at.
        let wanted = self.decoder.wanted_bytes(&self.input).unwrap_or(READ_BYTES);
        let room = self.input.capacity() - self.input.len();
        let missing = wanted.saturating_sub(self.input.len());
        if room < missing.max(READ_BYTES / 8) {
            self.input.reserve(missing.max(READ_BYTES));
        }
        pin!(self.socket.read_buf(&mut self.input)).poll(context)
    }

    /// Once per ping interval: a peer that neither sends nor takes anything is given up.
    fn tick(&mut self) {
        let counters = &self.peer.counters;
        let now = (counters.received_bytes.get(), counters.sent_bytes.get());
        let (received, sent) = self.at_last_tick;
        self.at_last_tick = now;
        let stuck = !self.out.is_empty() && now.1 == sent;
        let silent = now.0 == received && self.session.is_pinged();
        if stuck || silent || self.ending.is_some() {
            self.ending = Some(End::Silent);
        } else if now.0 == received && self.session.ping() {
            while let Some(effect) = self.session.poll_effect() {
                self.apply(effect);
            }
        }
    }
}
