//! One connection, from its first byte to its last command.

mod commands;
mod full_feature;

use std::io;
use std::rc::Rc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use vds_iscsi::chap::{CHALLENGE_BYTES, Entropy};
use vds_iscsi::login::{Login, LoginOutcome, LoginStatus, LoginStep};
use vds_iscsi::operational::RECV_DATA_BYTES_DEFAULT;
use vds_iscsi::pdu::{Digests, FrameDecoder, FrameError, OutPdu, padded};

use crate::server::{Gate, Message, Peer, Shared};
use full_feature::FullFeature;

/// Takes the peer off the registry however the task ends.
struct Registered {
    shared: Rc<Shared>,
    peer: Rc<Peer>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.shared.registry.remove(&self.peer);
    }
}

/// Serves a connection until it ends and every command begun on it has ended.
pub(crate) async fn serve(
    shared: Rc<Shared>,
    mut socket: TcpStream,
    peer: Rc<Peer>,
    mut mailbox: UnboundedReceiver<Message>,
) {
    let registered = Registered { shared, peer };
    let (shared, peer) = (&registered.shared, &registered.peer);
    let mut input = BytesMut::new();
    let login = log_in(shared, peer, &mut socket, &mut input);
    let login = tokio::time::timeout(shared.limits.login_timeout, login);
    let outcome = tokio::select! {
        outcome = login => outcome,
        () = closed(&mut mailbox) => return,
    };
    let remote = peer.remote;
    let outcome = match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => return tracing::debug!(%remote, %error, "login failed"),
        Err(_) => return tracing::debug!(%remote, "login timed out"),
    };
    let established = peer.establish(outcome);
    let key = &established.outcome.key;
    let (initiator, target) = (key.initiator.as_str(), key.target.as_str());
    tracing::info!(session = peer.id, initiator, target, %remote, "session begins");
    let full_feature = FullFeature::new(
        shared.clone(),
        peer.clone(),
        &established.outcome,
        socket,
        mailbox,
        input,
    );
    let end = full_feature.run().await;
    tracing::info!(session = peer.id, initiator, target, %remote, %end, "session ended");
}

/// Completes when the connection is to be closed; other messages do not concern a login.
async fn closed(mailbox: &mut UnboundedReceiver<Message>) {
    while let Some(message) = mailbox.recv().await {
        match message {
            Message::Close | Message::RequestLogout(_) => return,
            Message::Refresh | Message::Abort { .. } | Message::AbortedElsewhere(_) => {}
        }
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
enum LoginError {
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    #[error("a PDU cannot be read: {0}")]
    Frame(#[from] FrameError),
    #[error("refused: {0:?}")]
    Refused(LoginStatus),
    #[error("the peer closed the connection")]
    Closed,
    #[error("the system has no random bytes: {0}")]
    Entropy(#[from] getrandom::Error),
}

async fn log_in(
    shared: &Rc<Shared>,
    peer: &Rc<Peer>,
    socket: &mut TcpStream,
    input: &mut BytesMut,
) -> Result<LoginOutcome, LoginError> {
    let mut gate = Gate { shared: shared.clone(), peer: peer.clone() };
    let depth = shared.limits.session.queue_depth;
    let mut login = Login::new(shared.limits.offer, depth, entropy()?);
    let decoder = FrameDecoder::new(Digests::default(), RECV_DATA_BYTES_DEFAULT as usize);
    loop {
        while let Some(frame) = decoder.next(input)? {
            match login.handle(&frame, &mut gate) {
                LoginStep::Reply(pdu) => send(socket, &pdu).await?,
                LoginStep::Established(pdu, outcome) => {
                    send(socket, &pdu).await?;
                    return Ok(*outcome);
                }
                LoginStep::Refused(pdu, status) => {
                    let key = login.peer();
                    let initiator = key.map_or("", |key| key.initiator.as_str());
                    let target = key.map_or("", |key| key.target.as_str());
                    let remote = peer.remote;
                    tracing::warn!(initiator, target, %remote, ?status, "login refused");
                    send(socket, &pdu).await?;
                    return Err(LoginError::Refused(status));
                }
            }
        }
        if socket.read_buf(input).await? == 0 {
            return Err(LoginError::Closed);
        }
    }
}

/// Sends one PDU of the login, which has no digests.
async fn send(socket: &mut TcpStream, pdu: &OutPdu) -> io::Result<()> {
    let mut bytes = BytesMut::with_capacity(pdu.bhs.0.len() + padded(pdu.data.len()));
    bytes.extend_from_slice(&pdu.bhs.0);
    bytes.extend_from_slice(&pdu.data);
    bytes.resize(pdu.bhs.0.len() + padded(pdu.data.len()), 0);
    socket.write_all(&bytes).await
}

fn entropy() -> Result<Entropy, getrandom::Error> {
    let mut bytes = [0; CHALLENGE_BYTES + 1];
    getrandom::fill(&mut bytes)?;
    let [identifier, challenge @ ..] = bytes;
    Ok(Entropy { identifier, challenge })
}
