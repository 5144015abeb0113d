//! Streams on drives that turn: they are written from slab to slab without a seek.

use std::collections::BTreeSet;

use bytes::Bytes;
use vds_format::{BLOCK_BYTES, Geometry};
use vds_io::join_all;
use vds_sim::IoKind;

use super::harness::{Layout, MIRROR, Machine, SIMPLE, STRIPE};

const CHUNK: u64 = 48 * BLOCK_BYTES as u64;
/// Far more than is written: room is not what decides.
const SIZE_BYTES: u64 = 192 << 20;
const DRIVE_BYTES: u64 = 320 << 20;
const WRITTEN_BYTES: u64 = 40 << 20;

/// Writes in order; how many slabs, each behind another in use, were begun where that had been written to its end, and how
/// many behind a gap.
fn joined_and_not(seed: u64, layout: Layout) -> (usize, usize) {
    let layout = Layout { size_bytes: SIZE_BYTES, drive_bytes: DRIVE_BYTES, ..layout };
    let machine = Machine::new(seed, layout);
    let (mut joined, mut apart) = (0, 0);
    let ran = machine.sim.run_until(async {
        let life = machine.create().await;
        let drives = machine.disks.drives();
        drives.iter().for_each(vds_sim::Drive::keep_records);
        let chunk = Bytes::from(vec![7; 48 * BLOCK_BYTES]);
        let count = WRITTEN_BYTES / CHUNK;
        for first in (0..count).step_by(32) {
            let indices = first..(first + 32).min(count);
            let writes = indices.map(|index| life.io.write(index * CHUNK, chunk.clone(), false));
            for written in join_all(writes.collect()).await {
                written.expect("there is space");
            }
        }
        life.check();
        for drive in &drives {
            let sizes = Geometry::array_sizes(drive.size_bytes(), drive.size_bytes());
            let geometry = Geometry::of_drive(drive.size_bytes(), sizes).expect("a member");
            let (start, slab) = (geometry.slab_start, u64::from(geometry.slab_blocks()));
            let block = |bytes: u64| bytes / BLOCK_BYTES as u64;
            let writes = drive.take_records().into_iter().filter(|it| it.kind == IoKind::Write);
            let written: BTreeSet<u64> = writes
                .flat_map(|it| block(it.offset_bytes)..block(it.offset_bytes + it.len_bytes))
                .filter(|block| *block >= start)
                .collect();
            let firsts = written.iter().filter(|block| (**block - start).is_multiple_of(slab));
            for first in firsts.filter(|first| written.contains(&(**first - slab))) {
                *(if written.contains(&(first - 1)) { &mut joined } else { &mut apart }) += 1;
            }
        }
    });
    ran.unwrap_or_else(|stopped| panic!("seed {seed}, {layout:?}: {stopped:?}"));
    (joined, apart)
}

/// The seed decides whether the drives turn.
#[test]
fn a_stream_goes_on_from_slab_to_slab() {
    for layout in [SIMPLE, STRIPE, MIRROR] {
        let (still, turning) = (joined_and_not(4, layout), joined_and_not(5, layout));
        assert!(
            still.1 > 10,
            "{layout:?}: drives that do not turn are spared the filling: {still:?}"
        );
        assert!(turning.0 > 3 * turning.1, "{layout:?}: {turning:?}");
    }
}
