//! Bytes and descriptors from the socket.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Descriptors one message may bring before the rest is refused by the system.
const DESCRIPTORS_MAX: usize = 4;

/// What one look at the socket brought.
pub(crate) struct Received {
    /// How many bytes; 0 at the end.
    pub(crate) bytes: usize,
    /// The descriptors that came with them.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// More descriptors came than fit; the system closed the others.
    pub(crate) is_truncated: bool,
}

/// Waits for bytes, and takes them with the descriptors that come with them.
///
/// # Errors
/// What the system says.
pub(crate) async fn receive(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<Received> {
    loop {
        stream.readable().await?;
        let mut take = || {
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut slices = [IoSliceMut::new(buffer)];
            let message =
                rustix::net::recvmsg(stream, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)?;
            let mut descriptors = Vec::new();
            for ancillary in control.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = ancillary {
                    descriptors.extend(rights);
                }
            }
            let is_truncated = message.flags.contains(ReturnFlags::CTRUNC);
            Ok(Received { bytes: message.bytes, descriptors, is_truncated })
        };
        match stream.try_io(Interest::READABLE, &mut take) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
