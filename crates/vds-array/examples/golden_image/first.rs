//! What version 1 had when it was settled.

use vds_array::ExportedTarget;
use vds_model::{HintMask, Hints, LunId, LunType, SubsystemId, TargetId, UnmaskingList};
use vds_operation::Output;
use vds_provider::{Caching, Chap, ChapCredential, CreateLun, Request, SectorSize, TargetChoice};

use super::maker::{MIB, Maker, secret};

/// How often the LUN is overwritten in parts: more than its space holds.
const ROUNDS: u64 = 4;

pub(crate) fn make() -> Maker {
    let mut maker = Maker::new(3, 48 * MIB);
    maker.scene();
    maker
}

impl Maker {
    fn scene(&mut self) {
        let array = self.create_subsystem(1..=3);
        let (simple, stripe, mirror) = self.make_luns(array);
        self.export(array, simple, mirror);
        self.change(array, simple, stripe, mirror);
        self.overwrite(simple);
        self.restart();
        // A log behind each checkpoint: flushed, and no more.
        self.write("simple", simple, 40, 3);
        self.flush(simple);
        self.write("stripe", stripe, 7, 30);
        self.unmap("stripe", stripe, 20, 5);
        self.write("stripe", stripe, 22, 1);
        self.write("mirror", mirror, 0, 9);
        self.unmap("mirror", mirror, 300, 400);
        self.write("mirror", mirror, 5, 2);
        self.flush(mirror);
    }

    fn make_luns(&mut self, array: SubsystemId) -> (LunId, LunId, LunId) {
        let list = "iqn.1993-08.org.debian:01:golden;2000000000000001";
        let simple = self.create(CreateLun {
            name: "simple".into(),
            unmasking_list: UnmaskingList::parse(list).expect("a list"),
            target: TargetChoice::Named("iqn.2026-11.example.golden:array".into()),
            ..CreateLun::new(array, LunType::Simple, MIB)
        });
        let target = self.embedded.exports()[0].targets[0].id;
        let mut hints = Hints::none().with_opinion(HintMask::SEQUENTIAL_READS, true);
        hints.optimal_read_bytes = 65536;
        let stripe = self.create(CreateLun {
            name: "stripe".into(),
            columns: Some(3),
            hints: Some(hints),
            sector_size: SectorSize::Bytes4096,
            caching: Caching::WriteThrough,
            target: TargetChoice::Existing(target),
            ..CreateLun::new(array, LunType::Stripe, 6 * MIB)
        });
        let mirror = self.create(CreateLun {
            name: "mirrored".into(),
            copies: Some(2),
            unmasking_list: UnmaskingList::Everybody,
            ..CreateLun::new(array, LunType::Mirror, 3 * MIB)
        });
        (simple, stripe, mirror)
    }

    fn export(&mut self, array: SubsystemId, simple: LunId, mirror: LunId) {
        let exported = &self.embedded.exports()[0];
        let sees = |target: &&ExportedTarget| target.luns.iter().any(|lun| lun.lun == simple);
        let target: TargetId = exported.targets.iter().find(sees).expect("its target").id;
        let initiator =
            ChapCredential { user: "initiator".into(), secret: secret(b"golden secret 1") };
        let back = ChapCredential { user: "array".into(), secret: secret(b"golden secret 2") };
        let chap = Some(Chap { initiator, target: Some(back) });
        self.run(Request::SetTargetChap { target, chap });
        let listen = "192.0.2.1:3260".parse().expect("an address");
        let announce = Some("198.51.100.7:13260".parse().expect("an address"));
        self.run(Request::AddPortal { subsystem: array, listen, announce });
        let request = Request::CreateTarget {
            subsystem: array,
            iqn: "iqn.2026-11.example.golden:spare".into(),
            name: "spare".into(),
        };
        let Output::CreateTarget(target) = self.run(request) else { panic!("no target") };
        self.run(Request::DeleteTarget { target });
        self.run(Request::SetLunName { lun: mirror, name: "mirror".into() });
    }

    /// Long work and deletions, with data in the way.
    fn change(&mut self, array: SubsystemId, simple: LunId, stripe: LunId, mirror: LunId) {
        let doomed = self.create(CreateLun {
            name: "doomed".into(),
            ..CreateLun::new(array, LunType::Simple, MIB)
        });
        self.write("doomed", doomed, 3, 4);
        self.flush(doomed);
        self.run(Request::DeleteLun { lun: doomed });
        self.forget("doomed");
        for first in (0..1536).step_by(100) {
            self.write("stripe", stripe, first, 20);
        }
        self.write("mirror", mirror, 250, 40);
        self.write("mirror", mirror, 600, 56);
        self.flush(mirror);
        self.run(Request::AddPlex { lun: mirror, drives: None });
        self.write("mirror", mirror, 100, 10);
        let view = self.embedded.view();
        let plexes = &view.lun(mirror).expect("it exists").plexes;
        let plex = plexes.last().expect("it has plexes").properties.id;
        self.run(Request::RemovePlex { plex });
        self.run(Request::ExtendLun { lun: simple, by_bytes: MIB / 4, drives: None });
    }

    /// Until the cleaner has to move what is still live.
    fn overwrite(&mut self, simple: LunId) {
        for first in (0..320).step_by(40) {
            self.write("simple", simple, first, 40);
        }
        for round in 0..ROUNDS {
            for first in (round % 4..314).step_by(12) {
                self.write("simple", simple, first, 6);
            }
        }
        self.unmap("simple", simple, 200, 33);
        self.flush(simple);
    }
}
