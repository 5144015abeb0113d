//! What initiators wait for that is not in a batch yet.

use std::collections::VecDeque;

use bytes::Bytes;
use vds_format::BLOCK_BYTES;
use vds_io::LunIoError;

use crate::signal::Promise;

/// What a submission changes.
pub(super) enum Content {
    /// Whole blocks from `lun_block` on.
    Data { lun_block: u64, data: Bytes },
    /// Blocks that read as zeros from now on.
    Unmap { lun_block: u64, blocks: u32 },
}

impl Content {
    fn data_blocks(&self) -> u32 {
        match self {
            Self::Data { data, .. } => {
                u32::try_from(data.len() / BLOCK_BYTES).expect("bounded by the transfer limit")
            }
            Self::Unmap { .. } => 0,
        }
    }
}

/// One change, whole or not at all, with whoever waits for it.
pub(super) struct Submission {
    pub(super) contents: Vec<Content>,
    /// The answer waits until it is durable.
    pub(super) durable: bool,
    /// Leaves that stay in memory until it is applied.
    pub(super) pins: Vec<u64>,
    pub(super) answer: Promise<Result<(), LunIoError>>,
}

impl Submission {
    pub(super) fn data_blocks(&self) -> u32 {
        self.contents.iter().map(Content::data_blocks).sum()
    }

    pub(super) fn entries(&self) -> usize {
        self.contents.iter().map(|content| content.data_blocks().max(1) as usize).sum()
    }
}

/// Submissions in the order in which they take effect.
#[derive(Default)]
pub(super) struct Queue {
    submissions: VecDeque<Submission>,
    data_blocks: u64,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.submissions.is_empty()
    }

    /// Data blocks of all of them.
    pub(super) fn data_blocks(&self) -> u64 {
        self.data_blocks
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Submission> {
        self.submissions.iter()
    }

    pub(super) fn push(&mut self, submission: Submission) {
        self.data_blocks += u64::from(submission.data_blocks());
        self.submissions.push_back(submission);
    }

    /// Puts back in front what was taken.
    pub(super) fn put_back(&mut self, submissions: Vec<Submission>) {
        for submission in submissions.into_iter().rev() {
            self.data_blocks += u64::from(submission.data_blocks());
            self.submissions.push_front(submission);
        }
    }

    /// Takes the first `count`.
    pub(super) fn take(&mut self, count: usize) -> Vec<Submission> {
        let taken: Vec<Submission> = self.submissions.drain(..count).collect();
        self.data_blocks -= taken.iter().map(|it| u64::from(it.data_blocks())).sum::<u64>();
        taken
    }

    /// Takes them all.
    pub(super) fn take_all(&mut self) -> Vec<Submission> {
        self.take(self.submissions.len())
    }
}
