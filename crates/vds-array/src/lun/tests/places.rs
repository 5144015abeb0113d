//! Changes called for one after the other are seen in that order, however long the first one takes to be submitted.

use bytes::Bytes;
use vds_format::{BLOCK_BYTES, MAP_FANOUT};
use vds_io::join_all;

use super::harness::{Layout, Machine, SIMPLE};

const BLOCK: u64 = BLOCK_BYTES as u64;
/// The first block of the second leaf of the map.
const SECOND_LEAF: u64 = MAP_FANOUT as u64;

/// A LUN whose first leaf is on the drive and not in memory, and whose second one was never made.
async fn with_one_leaf(machine: &Machine) -> super::harness::Life {
    let life = machine.create().await;
    let first = Bytes::from(vec![1; BLOCK_BYTES]);
    life.io.write((SECOND_LEAF - 1) * BLOCK, first, false).await.expect("there is space");
    life.lun.checkpoint().await.expect("the drives are well");
    drop(life);
    let life = machine.open().await;
    // What is above both leaves comes into memory.
    life.io.read(SECOND_LEAF * BLOCK, BLOCK).await.expect("the drives are well");
    life
}

/// A write that waits for a leaf, and an unmap of some of it that finds nothing mapped yet.
#[test]
fn an_unmap_does_not_overtake_a_write() {
    let layout = Layout { size_bytes: 4 << 20, drive_bytes: 64 << 20, ..SIMPLE };
    let machine = Machine::new(6, layout);
    let ran = machine.sim.run_until(async {
        let life = with_one_leaf(&machine).await;
        let map = || life.lun.map.borrow();
        assert!(map().leaf_may_hold(0) && !map().has_leaf(0), "on the drive, not in memory");
        assert!(!map().leaf_may_hold(1), "never made");
        let two = Bytes::from(vec![2; 2 * BLOCK_BYTES]);
        let write = life.io.write((SECOND_LEAF - 1) * BLOCK, two, false);
        let unmap = life.io.unmap(vec![(SECOND_LEAF * BLOCK, BLOCK)]);
        for answer in join_all(vec![write, unmap]).await {
            answer.expect("the drives are well");
        }
        let read = life.io.read((SECOND_LEAF - 1) * BLOCK, 2 * BLOCK).await;
        let found = read.expect("the drives are well").to_vec();
        assert_eq!(found[..BLOCK_BYTES], [2; BLOCK_BYTES], "what was written and not unmapped");
        assert_eq!(
            found[BLOCK_BYTES..],
            [0; BLOCK_BYTES],
            "what was unmapped after it was written"
        );
        life.check();
    });
    ran.unwrap_or_else(|stopped| panic!("{stopped:?}"));
}
