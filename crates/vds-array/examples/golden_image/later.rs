//! What version 1 came to have after that, and what befalls an array: lost drives, a lost map page, secrets and portal groups
//! of every kind.

use vds_io::{BLOCK_BYTES, DiskErrorKind};
use vds_model::{
    DriveId, HintMask, Hints, IscsiName, LunId, LunStatus, LunType, PortalGroupId, PortalId,
    SubsystemId, TargetId, UnmaskingList,
};
use vds_operation::Output;
use vds_provider::{
    Caching, Chap, ChapCredential, ChapSecretChange, ChapSide, CreateLun, Request, TargetChoice,
};
use vds_sim::{Effect, Fault, IoKind};

use super::maker::{MIB, Maker, new_drives, path, secret};

const DRIVES: u16 = 6;
const HOST: &str = "iqn.1993-08.org.debian:01:golden";
const OTHER_HOST: &str = "iqn.1993-08.org.debian:01:other";
/// So many that the first operations are forgotten.
const RENAMES: u64 = 230;
/// The number of the LUN that loses a map page: it is made second. And its blocks.
const GAPS_NUMBER: u32 = 2;
const GAPS_BLOCKS: u64 = 256;

pub(crate) fn make() -> Maker {
    let mut maker = Maker::new(DRIVES, 64 * MIB);
    maker.live();
    maker
}

/// The LUNs that are there in the end.
struct Luns {
    /// SIMPLE, on drive 1 alone.
    single: LunId,
    /// SIMPLE, on drive 2 alone: its map page gets lost.
    gaps: LunId,
    /// MIRROR of three, on drives 2, 3 and 4 at first.
    three: LunId,
    /// What the type "fault tolerant" became, and a copy in the place of another LUN.
    safe: LunId,
    /// SIMPLE, offline in the end.
    shut: LunId,
}

fn simple_on(array: SubsystemId, name: &str, drive: DriveId) -> CreateLun {
    CreateLun {
        name: name.into(),
        drives: Some(vec![drive]),
        ..CreateLun::new(array, LunType::Simple, MIB)
    }
}

impl Maker {
    fn live(&mut self) {
        let array = self.create_subsystem(1..=5);
        let luns = self.create_luns(array);
        for count in 0..RENAMES {
            self.run(Request::SetLunName { lun: luns.three, name: format!("three-{count}") });
        }
        self.run(Request::SetLunName { lun: luns.three, name: "three".into() });
        self.write_all(&luns);
        self.set_all(array, &luns);
        self.secrets();
        self.portal_groups(array);
        self.lose_a_page(array, &luns);
        self.lose_drives(array, &luns);
        // On another machine.
        self.sim.reboot();
        self.restart();
        self.settle();
        self.write("three", luns.three, 10, 20);
        self.unmap("safe", luns.safe, 3, 2);
        self.flush(luns.safe);
        self.refuse_the_catalog(array, &luns);
    }

    fn drive_id(&self, number: u16) -> DriveId {
        let view = self.embedded.view();
        let is_it = |drive: &&vds_provider::DriveView| drive.path == path(number);
        view.drives.iter().find(is_it).expect("a drive of the array").properties.id
    }

    fn create_luns(&mut self, array: SubsystemId) -> Luns {
        let drives: Vec<DriveId> = (1..=5).map(|it| self.drive_id(it)).collect();
        let single = self.create(simple_on(array, "single", drives[0]));
        let gaps = self.create(simple_on(array, "gaps", drives[1]));
        let three = self.create(CreateLun {
            name: "three".into(),
            copies: Some(3),
            drives: Some(drives[1..4].to_vec()),
            unmasking_list: UnmaskingList::parse(HOST).expect("a list"),
            target: TargetChoice::None,
            ..CreateLun::new(array, LunType::Mirror, MIB)
        });
        let mut hints = Hints::none().with_opinion(HintMask::MOSTLY_READS, true);
        hints.maximum_drive_count = 4;
        let safe = self.create(CreateLun {
            name: "safe".into(),
            hints: Some(hints),
            target: TargetChoice::Named("iqn.2026-11.example.golden:safe".into()),
            ..CreateLun::new(array, LunType::FaultTolerant, MIB)
        });
        let shut = self.create(simple_on(array, "shut", drives[0]));
        Luns { single, gaps, three, safe, shut }
    }

    fn write_all(&mut self, luns: &Luns) {
        let all = [
            ("single", luns.single),
            ("gaps", luns.gaps),
            ("three", luns.three),
            ("safe", luns.safe),
            ("shut", luns.shut),
        ];
        for (name, lun) in all {
            for first in (0..250).step_by(50) {
                self.write(name, lun, first, 30);
            }
            self.flush(lun);
        }
    }

    /// One of each change of an object's properties.
    fn set_all(&mut self, array: SubsystemId, luns: &Luns) {
        let taken = self.lun_apart(array, luns);
        self.run(Request::AbsorbLun { lun: luns.safe, other: taken });
        let lun = luns.three;
        let list = |text| UnmaskingList::parse(text).expect("a list");
        self.run(Request::SetLunMask { lun, unmasking_list: list("2000000000000002") });
        let (add, remove) = (list(OTHER_HOST), list("2000000000000002"));
        self.run(Request::ChangeLunMask { lun, add, remove });
        self.run(Request::SetLunCaching { lun, caching: Caching::WriteThrough });
        let hints = Hints::none().with_opinion(HintMask::FAST_CRASH_RECOVERY, false);
        self.run(Request::ApplyLunHints { lun, hints });
        let target = Some(self.target());
        self.run(Request::SetLunTarget { lun, target });
        self.run(Request::SetLunTarget { lun: luns.single, target: None });
        self.run(Request::SetLunName { lun: luns.shut, name: "shut for now".into() });
        self.run(Request::SetLunStatus { lun: luns.shut, status: LunStatus::Offline });
        let name = String::from("a target of its own");
        self.run(Request::SetTargetName { target: self.target(), name });
        self.run(Request::SetSubsystemName { subsystem: array, name: "golden later".into() });
        self.run(Request::Refresh);
        self.run(Request::Reenumerate);
    }

    /// A LUN on a drive that holds no copy of `safe`.
    fn lun_apart(&mut self, array: SubsystemId, luns: &Luns) -> LunId {
        let view = self.embedded.view();
        let safe = view.luns.iter().find(|it| it.properties.id == luns.safe).expect("it is there");
        let holds = |drive: DriveId| {
            safe.plexes.iter().any(|plex| plex.extents.iter().any(|it| it.drive == drive))
        };
        let drives = (1..=5).map(|it| self.drive_id(it));
        let free: Vec<DriveId> = drives.filter(|it| !holds(*it)).collect();
        let lun = self.create(simple_on(array, "taken", *free.last().expect("a drive")));
        self.write("taken", lun, 0, 8);
        self.forget("taken");
        lun
    }

    /// The target of the LUN `safe`.
    fn target(&self) -> TargetId {
        let exports = self.embedded.exports();
        let named = |it: &&vds_array::ExportedTarget| it.iscsi_name.ends_with(":safe");
        exports[0].targets.iter().find(named).expect("a target").id
    }

    fn secrets(&mut self) {
        let target = self.target();
        let initiator =
            ChapCredential { user: "someone".into(), secret: secret(b"golden secret 0") };
        let chap = Some(Chap { initiator, target: None });
        self.run(Request::SetTargetChap { target, chap });
        let changes: [(ChapSide, Option<&str>, &[u8]); 4] = [
            (ChapSide::Initiator, Some(HOST), b"golden secret 1"),
            (ChapSide::Target, None, b"golden secret 2"),
            (ChapSide::Target, Some(HOST), b"golden secret 3"),
            (ChapSide::Target, Some(OTHER_HOST), b"golden secret 4"),
        ];
        for (side, initiator, text) in changes {
            self.change_secret(target, side, initiator, Some(text));
        }
        self.change_secret(target, ChapSide::Target, Some(OTHER_HOST), None);
    }

    fn change_secret(
        &mut self,
        target: TargetId,
        side: ChapSide,
        initiator: Option<&str>,
        text: Option<&[u8]>,
    ) {
        let initiator = initiator.map(|name| IscsiName::parse(name).expect("a name"));
        let change = ChapSecretChange { side, initiator, secret: text.map(secret) };
        self.run(Request::SetTargetSecret { target, change });
    }

    fn portal(&mut self, subsystem: SubsystemId, listen: &str) -> PortalId {
        let listen = listen.parse().expect("an address");
        match self.run(Request::AddPortal { subsystem, listen, announce: None }) {
            Output::AddPortal(portal) => portal,
            other => panic!("no portal: {other:?}"),
        }
    }

    fn portal_group(&mut self) -> PortalGroupId {
        match self.run(Request::CreatePortalGroup { target: self.target() }) {
            Output::CreatePortalGroup(group) => group,
            other => panic!("no group: {other:?}"),
        }
    }

    /// Two groups with the tags 2 and 3; a third one is gone, and its tag is not given again.
    fn portal_groups(&mut self, array: SubsystemId) {
        let first = self.portal(array, "192.0.2.1:3260");
        let second = self.portal(array, "[2001:db8::1]:13260");
        let third = self.portal(array, "192.0.2.3:3260");
        let groups = [self.portal_group(), self.portal_group(), self.portal_group()];
        self.run(Request::AddToPortalGroup { group: groups[0], portal: first });
        self.run(Request::AddToPortalGroup { group: groups[1], portal: second });
        self.run(Request::AddToPortalGroup { group: groups[1], portal: third });
        self.run(Request::RemoveFromPortalGroup { group: groups[1], portal: second });
        self.run(Request::DeletePortalGroup { group: groups[2] });
        self.run(Request::RemovePortal { portal: second });
    }

    /// Every copy of a page of the map rots, and a scrub makes of it what is still known.
    fn lose_a_page(&mut self, array: SubsystemId, luns: &Luns) {
        for round in 0..4 {
            for first in (round % 5..GAPS_BLOCKS - 6).step_by(9) {
                self.write("gaps", luns.gaps, first, 3);
            }
            self.unmap("gaps", luns.gaps, 20 * round % 200, 15);
        }
        self.flush(luns.gaps);
        self.sim.run_until(self.embedded.shutdown()).expect("it ends");
        self.rot_leaves(GAPS_NUMBER);
        self.restart();
        self.run(Request::ScrubSubsystem { subsystem: array });
        let lost = self.note_lost("gaps", luns.gaps);
        assert!(lost > 1, "nothing was lost");
        // One of them is written again.
        let block = *self.lost_of("gaps").first().expect("a lost block");
        self.write("gaps", luns.gaps, block, 1);
        self.flush(luns.gaps);
    }

    /// Flips a bit in each leaf of a LUN's map, wherever it lies.
    fn rot_leaves(&self, lun: u32) {
        for drive in 1..=DRIVES {
            let drive = self.disks.drive(&path(drive));
            for block in 0..drive.size_bytes() / BLOCK_BYTES as u64 {
                let offset_bytes = block * BLOCK_BYTES as u64;
                let head = drive.peek(offset_bytes, 53);
                if head.starts_with(b"VDSMAPPG")
                    && head[48..52] == lun.to_le_bytes()
                    && head[52] == 0
                {
                    drive.corrupt(offset_bytes + 100, 3);
                }
            }
        }
    }

    /// A copy goes to a hot spare by itself, another by an order; one stays lost.
    fn lose_drives(&mut self, array: SubsystemId, luns: &Luns) {
        let drive = new_drives(6..=6).remove(0);
        self.run(Request::AddDrive { subsystem: array, drive });
        let spare = self.drive_id(6);
        self.run(Request::SetDriveSpare { drive: spare, is_spare: true });
        self.run(Request::FailDrive { drive: self.drive_id(3) });
        self.settle();
        self.run(Request::RemoveDrive { drive: self.drive_id(3) });
        self.leave_out(3);
        self.run(Request::SetDriveSpare { drive: spare, is_spare: false });
        self.disks.drive(&path(4)).vanish();
        self.write("three", luns.three, 40, 1);
        self.settle();
        self.run(Request::RecoverLun { lun: luns.three });
        self.settle();
    }

    /// Drive 1 takes no write of the catalog any more, and alone has what `single` holds.
    fn refuse_the_catalog(&mut self, array: SubsystemId, luns: &Luns) {
        let refused = Effect::Error(DiskErrorKind::Range);
        self.disks.drive(&path(1)).fault(Fault::nth(IoKind::Write, 0, refused));
        self.run(Request::SetSubsystemName { subsystem: array, name: "golden".into() });
        self.write("single", luns.single, 100, 5);
        self.flush(luns.single);
    }
}
