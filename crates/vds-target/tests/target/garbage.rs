//! Whatever comes ends at most the connection it comes by.

use super::initiator::{Initiator, Plan};
use super::world::{HOST, OTHER, World};

/// A small generator: the same seed, the same bytes.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// A header that is likely to be looked at: an opcode of ours, a data length that fits what follows.
fn near_miss(noise: &mut Noise, data_len: usize, cmd_sn: u32) -> Vec<u8> {
    let mut header = noise.bytes(48);
    let opcodes = [0x00, 0x01, 0x01, 0x02, 0x04, 0x05, 0x06, 0x10, 0x43, 0x41, 0x40, 0x1f];
    header[0] = opcodes[usize::try_from(noise.below(12)).unwrap()];
    header[4] = u8::from(noise.below(8) == 0);
    header[5..8].copy_from_slice(&u32::try_from(data_len).unwrap().to_be_bytes()[1..]);
    header[8..16].fill(0);
    header[16..20].copy_from_slice(&u32::try_from(noise.below(4)).unwrap().to_be_bytes());
    if noise.below(4) > 0 {
        header[20..24].copy_from_slice(&u32::try_from(noise.below(2048)).unwrap().to_be_bytes());
        header[24..28].copy_from_slice(&cmd_sn.to_be_bytes());
    }
    // Commands that exist, so that the device server gets its share.
    let operations = [0x00, 0x12, 0x28, 0x2a, 0x8a, 0x88, 0x42, 0x93, 0x15, 0x89, 0xa0, 0x9e];
    header[32] = operations[usize::try_from(noise.below(12)).unwrap()];
    header[36..42].fill(0);
    header
}

#[test]
fn garbage_ends_its_own_connection_only() {
    let world = World::new();
    let mut witness = Initiator::logged_in(world.address, &Plan::of(OTHER));
    witness.ready(0);
    for seed in 0..300 {
        let mut noise = Noise(seed);
        let mut host = Initiator::connect(world.address);
        if seed % 3 > 0 {
            // A session of its own for each, so that one is not ended by the next one's login.
            let plan = Plan { isid: [0, 0, 0, 0, 1, seed.to_le_bytes()[0]], ..Plan::of(HOST) };
            host.log_in(&plan).unwrap();
        }
        for _ in 0..noise.below(20) {
            if noise.below(3) == 0 {
                let len = noise.below(200);
                let bytes = noise.bytes(len);
                host.raw(&bytes);
            } else {
                let len = noise.below(700) & !3;
                let data = noise.bytes(len);
                let header = near_miss(&mut noise, data.len(), host.cmd_sn);
                host.raw(&header);
                host.raw(&data);
                host.cmd_sn += u32::from(header[0] & 0x40 == 0);
            }
        }
        host.finish();
        host.expect_closed();
        if seed % 50 == 0 {
            assert_eq!(witness.report_luns(), [0]);
        }
    }
    assert_eq!(witness.read(0, 0, 1).data.len(), 512);
    world.wait_for(|server, _| server.sessions().len() == 1);
}

#[test]
fn lengths_beyond_what_was_declared_are_not_waited_for() {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    let mut header = [0; 48];
    header[5..8].fill(0xff);
    host.raw(&header);
    host.expect_closed();
    let mut stranger = Initiator::connect(world.address);
    header[0] = 0x43;
    stranger.raw(&header);
    stranger.expect_closed();
}
