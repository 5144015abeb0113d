//! What a LUN has written to its drives, by why.

use std::cell::Cell;
use std::sync::Arc;

use vds_format::Stream;
use vds_io::Buffer;

use super::Segment;

/// Bytes that a LUN has sent to its drives to be written since the array was opened, all copies and headers included;
/// labels and the catalog are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LunTraffic {
    /// What initiators wrote.
    pub host_bytes: u64,
    /// What the cleaner and repairs placed anew.
    pub moves_bytes: u64,
    /// Map pages.
    pub map_bytes: u64,
}

/// The same, while it grows.
#[derive(Default)]
pub(super) struct Traffic(Cell<LunTraffic>);

impl Traffic {
    pub(super) fn now(&self) -> LunTraffic {
        self.0.get()
    }

    /// Counts a batch that goes to a segment, by data column.
    pub(super) fn add_batch(&self, segment: &Segment, columns: &[Option<Arc<Buffer>>]) {
        let written = segment.columns.iter().map(|column| {
            let data = &columns[usize::from(column.record.data_column)];
            data.as_ref().map_or(0, |data| data.len() as u64)
        });
        let bytes: u64 = written.sum();
        let mut now = self.0.get();
        match segment.stream {
            Stream::Host => now.host_bytes += bytes,
            Stream::Moves => now.moves_bytes += bytes,
            Stream::Map => now.map_bytes += bytes,
        }
        self.0.set(now);
    }
}
