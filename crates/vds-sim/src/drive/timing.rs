//! How long a drive takes.

use std::collections::BTreeMap;

use super::fault::IoKind;
use crate::chance::Chance;

const NS_PER_S: u64 = 1_000_000_000;

/// Service times of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveModel {
    /// Every request takes a random time up to this many nanoseconds, so that completions come in any order. For finding
    /// bugs, not for measuring.
    Random {
        /// The longest time.
        up_to_ns: u64,
    },
    /// A number of requests at once, each with a latency, over one shared pipe. For measuring.
    Queue {
        /// Requests served at once.
        parallel: usize,
        /// Time before the first byte.
        latency_ns: u64,
        /// Whether a request that begins where the last one ended is spared the latency (a disk that need not seek).
        seeks: bool,
        /// Bandwidth, shared by all requests.
        bytes_per_s: u64,
        /// Time of a flush.
        flush_ns: u64,
    },
}

impl DriveModel {
    /// 80 us, 2 GB/s, 64 requests at once; its cache survives, so a flush costs little.
    pub const NVME: Self = Self::Queue {
        parallel: 64,
        latency_ns: 80_000,
        seeks: false,
        bytes_per_s: 2_000_000_000,
        flush_ns: 20_000,
    };
    /// 120 us, 500 MB/s, 32 requests at once, 1 ms a flush.
    pub const SATA_SSD: Self = Self::Queue {
        parallel: 32,
        latency_ns: 120_000,
        seeks: false,
        bytes_per_s: 500_000_000,
        flush_ns: 1_000_000,
    };
    /// 8 ms a seek, 200 MB/s, one request at once, a seek a flush.
    pub const HDD: Self = Self::Queue {
        parallel: 1,
        latency_ns: 8_000_000,
        seeks: true,
        bytes_per_s: 200_000_000,
        flush_ns: 8_000_000,
    };
}

/// A drive's queue.
pub(crate) struct Timing {
    model: DriveModel,
    /// When each busy slot falls free: time and count.
    slots: BTreeMap<u64, usize>,
    busy: usize,
    pipe_free_ns: u64,
    head_bytes: u64,
}

impl Timing {
    pub(crate) fn new(model: DriveModel) -> Self {
        Self { model, slots: BTreeMap::new(), busy: 0, pipe_free_ns: 0, head_bytes: u64::MAX }
    }

    /// Whether data-dependent accidents that no real drive's speed depends on are wanted.
    pub(crate) fn is_random(&self) -> bool {
        matches!(self.model, DriveModel::Random { .. })
    }

    /// Forgets what was queued.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.model);
    }

    /// When a request issued at `now_ns` is done.
    pub(crate) fn done_ns(
        &mut self,
        now_ns: u64,
        kind: IoKind,
        range: (u64, u64),
        chance: &Chance,
    ) -> u64 {
        match self.model {
            DriveModel::Random { up_to_ns } => now_ns + chance.between(0, up_to_ns),
            DriveModel::Queue { flush_ns, .. } if kind == IoKind::Flush => now_ns + flush_ns,
            DriveModel::Queue { latency_ns, .. } if kind == IoKind::Discard => now_ns + latency_ns,
            DriveModel::Queue { parallel, latency_ns, seeks, bytes_per_s, .. } => {
                let (offset_bytes, len_bytes) = range;
                let start_ns = self.take_slot(now_ns, parallel);
                let stays = seeks && offset_bytes == self.head_bytes;
                self.head_bytes = offset_bytes + len_bytes;
                let ready_ns = start_ns + if stays { 0 } else { latency_ns };
                let transfer_ns = len_bytes * NS_PER_S / bytes_per_s;
                let done_ns = ready_ns.max(self.pipe_free_ns) + transfer_ns;
                self.pipe_free_ns = done_ns;
                *self.slots.entry(done_ns).or_insert(0) += 1;
                self.busy += 1;
                done_ns
            }
        }
    }

    /// When a slot is free for a request issued at `now_ns`.
    fn take_slot(&mut self, now_ns: u64, parallel: usize) -> u64 {
        while let Some(mut first) = self.slots.first_entry()
            && (*first.key() <= now_ns || self.busy >= parallel)
        {
            let free_ns = *first.key();
            self.busy -= 1;
            *first.get_mut() -= 1;
            if *first.get() == 0 {
                first.remove();
            }
            if free_ns > now_ns {
                return free_ns;
            }
        }
        now_ns
    }
}
