//! The map's part of the share: uniform overwriting makes every checkpoint write the whole map.

use bytes::Bytes;
use futures_util::future::join;
use vds_format::{BLOCK_BYTES, MAP_FANOUT};
use vds_io::join_all;

use super::harness::{Layout, Life, MIRROR, Machine, SIMPLE};

const MIB: u64 = 1 << 20;
const BLOCK: u64 = BLOCK_BYTES as u64;
const SIZE_BYTES: u64 = 2048 * MIB;
/// Each names one block that is written, and none other.
const LEAVES: u64 = SIZE_BYTES / BLOCK / MAP_FANOUT as u64;
/// Past steady state: the share holds the map five times.
const ROUNDS: u64 = 24;
/// Checkpoints in a round, at any moment of it.
const CHECKPOINTS: u64 = 3;

/// A map of nine segments over data that fills a small LUN: there is nothing beside its share that the map could take.
const LARGE_MAP: Layout =
    Layout { size_bytes: SIZE_BYTES, data_bytes: LEAVES * BLOCK, drive_bytes: 320 * MIB, ..SIMPLE };

/// Writes one block of every leaf, in any order, with checkpoints meanwhile.
async fn overwrite_once(machine: &Machine, life: &Life, round: u64) {
    let chance = machine.sim.chance();
    let mut leaves: Vec<u64> = (0..LEAVES).collect();
    for index in (1..leaves.len()).rev() {
        let other = usize::try_from(chance.below(index as u64 + 1)).expect("below a length");
        leaves.swap(index, other);
    }
    let byte = u8::try_from(round % 251 + 1).expect("below 256");
    let data = Bytes::from(vec![byte; BLOCK_BYTES]);
    let writes = async {
        for some in leaves.chunks(64) {
            let offset = |leaf: &u64| leaf * MAP_FANOUT as u64 * BLOCK;
            let writes = some.iter().map(|leaf| life.io.write(offset(leaf), data.clone(), false));
            for written in join_all(writes.collect()).await {
                written.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
            }
        }
    };
    let checkpoints = async {
        for nth in 0..CHECKPOINTS {
            let made = life.lun.checkpoint().await;
            made.unwrap_or_else(|error| panic!("round {round}, checkpoint {nth}: {error}"));
        }
    };
    join(writes, checkpoints).await;
    let made = life.lun.checkpoint().await;
    made.unwrap_or_else(|error| panic!("round {round}, the last checkpoint: {error}"));
}

#[test]
fn a_map_of_many_segments_is_written_anew_for_ever() {
    for layout in [LARGE_MAP, Layout { copies: MIRROR.copies, ..LARGE_MAP }] {
        let machine = Machine::new(11, layout);
        let ran = machine.sim.run_until(async {
            let life = machine.create().await;
            // What nobody was promised would hide a share that is too small.
            life.promise_the_rest_to_another();
            for round in 0..ROUNDS {
                overwrite_once(&machine, &life, round).await;
                life.check();
            }
            let read = life.io.read(0, BLOCK).await.expect("written");
            assert_eq!(read.to_vec()[0], u8::try_from(ROUNDS).expect("few"));
        });
        ran.unwrap_or_else(|stopped| panic!("{layout:?}: {stopped:?}"));
    }
}
