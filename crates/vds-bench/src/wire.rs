//! One connection as bytes: PDUs are looked at where they were received, and answers leave in as few calls as there can be.

use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use vds_iscsi::pdu::{BHS_BYTES, Bhs, Digests, padded, pdu_lengths};

/// Data per PDU that we declare to take.
pub(crate) const SEGMENT_BYTES: usize = 256 << 10;

/// At least two of the longest PDUs, so that a cut one is moved rarely.
const INPUT_BYTES: usize = 1 << 20;
const _: () = assert!(INPUT_BYTES > 2 * (SEGMENT_BYTES + 1024));

/// A target that says nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_mins(1);

pub(crate) struct Wire {
    socket: TcpStream,
    input: Box<[u8]>,
    head: usize,
    tail: usize,
    output: Vec<u8>,
    sent: usize,
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address).with_context(|| format!("reaching {address}"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SILENCE_MAX))?;
        let input = vec![0; INPUT_BYTES].into();
        Ok(Self { socket, input, head: 0, tail: 0, output: Vec::new(), sent: 0 })
    }

    /// Where PDUs are put to be sent; their headers tell the length of what follows.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Bytes that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Queues a PDU.
    pub(crate) fn push(&mut self, mut bhs: Bhs, data: &[u8]) {
        bhs.set_data_len(data.len());
        self.output.extend_from_slice(&bhs.0);
        self.output.extend_from_slice(data);
        self.output.resize(self.output.len() + padded(data.len()) - data.len(), 0);
    }

    /// The next whole PDU: its header, and where its data lies.
    pub(crate) fn next(&mut self) -> Result<Option<(Bhs, Range<usize>)>> {
        let unread = &self.input[self.head..self.tail];
        let Some(header) = unread.first_chunk::<BHS_BYTES>() else { return Ok(None) };
        let bhs = Bhs(*header);
        let lengths = pdu_lengths(&bhs, SEGMENT_BYTES)?;
        let bytes = lengths.wire_bytes(Digests::default());
        if unread.len() < bytes {
            return Ok(None);
        }
        let start = self.head + BHS_BYTES + lengths.ahs_bytes;
        self.head += bytes;
        Ok(Some((bhs, start..start + lengths.data_bytes)))
    }

    /// The data of the PDU that [`Wire::next`] gave last.
    pub(crate) fn data(&self, range: Range<usize>) -> &[u8] {
        &self.input[range]
    }

    /// Sends what waits and receives at least a byte, sleeping until there is one.
    pub(crate) fn exchange(&mut self) -> Result<()> {
        loop {
            self.send_some()?;
            // While something waits, receiving must not keep us from sending it: the target may wait for it too.
            let flags = if self.waiting() == 0 { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
            if self.receive(flags)? {
                return Ok(());
            }
            let wanted = PollFlags::IN | PollFlags::OUT;
            poll(&mut [PollFd::new(&self.socket, wanted)], None)
                .context("waiting for the target")?;
        }
    }

    fn send_some(&mut self) -> Result<()> {
        while self.sent < self.output.len() {
            match send(&self.socket, &self.output[self.sent..], SendFlags::DONTWAIT) {
                Ok(count) => self.sent += count,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("sending to the target"),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(())
    }

    /// Whether bytes came.
    fn receive(&mut self, flags: RecvFlags) -> Result<bool> {
        self.input.copy_within(self.head..self.tail, 0);
        self.tail -= self.head;
        self.head = 0;
        match recv(&self.socket, &mut self.input[self.tail..], flags) {
            Ok((0, _)) => bail!("the target closed the connection"),
            Ok((count, _)) => self.tail += count,
            Err(Errno::AGAIN) if flags.is_empty() => bail!("the target is silent"),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Err(error) => return Err(error).context("receiving from the target"),
        }
        Ok(true)
    }
}
