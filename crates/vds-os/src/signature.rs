//! Whose data a drive carries: the marks that file systems, volume managers and partition tables leave.
//!
//! A drive that shows none of them may still hold something of value; on a block device that cannot be told from
//! noise. A plain file is another matter: whatever is written in it, somebody wrote (see [`Media::is_written`]).
//!
//! Where a mark is shorter than four bytes, other fields of the same structure are looked at as well. Places and
//! values are those the makers document; the tests compare with the system's own tools where these exist.

/// A mark of the program that this crate is a part of, told by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magic {
    /// Where it stands, from the start of the drive.
    pub offset_bytes: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What carries it, for the operator: "a member of a VDS array".
    pub name: String,
}

/// A mark that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Signature {
    /// What it belongs to.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) offset_bytes: u64,
}

/// Bytes of the start of a drive that are looked at: VMFS has its mark furthest in.
pub(crate) const HEAD_BYTES: usize = (2 << 20) + 4096;
/// Bytes of its end: the labels of ZFS stand furthest from it.
pub(crate) const TAIL_BYTES: usize = 1 << 20;

/// The start and the end of a drive.
pub(crate) struct Media {
    pub(crate) head: Vec<u8>,
    pub(crate) tail: Vec<u8>,
    pub(crate) size_bytes: u64,
}

impl Media {
    /// The bytes at an offset, if they were read.
    fn at(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset).ok()?;
        if let Some(bytes) = self.head.get(from..from.checked_add(len)?) {
            return Some(bytes);
        }
        let tail_start = self.size_bytes - self.tail.len() as u64;
        let from = usize::try_from(offset.checked_sub(tail_start)?).ok()?;
        self.tail.get(from..from.checked_add(len)?)
    }

    fn before_end(&self, distance: u64) -> Option<u64> {
        self.size_bytes.checked_sub(distance)
    }

    fn has(&self, offset: u64, bytes: &[u8]) -> bool {
        self.at(offset, bytes.len()) == Some(bytes)
    }

    fn u32_le(&self, offset: u64) -> Option<u32> {
        Some(u32::from_le_bytes(self.at(offset, 4)?.try_into().ok()?))
    }

    /// Whether any byte that was read is not zero.
    pub(crate) fn is_written(&self) -> bool {
        self.head.iter().chain(&self.tail).any(|&byte| byte != 0)
    }
}

/// Everything recognised on a drive, in the order of place. `own` are the marks of our own arrays.
pub(crate) fn recognise(media: &Media, own: &[Magic]) -> Vec<Signature> {
    let mut found = Vec::new();
    let mut add = |name: &str, offset_bytes: u64| {
        found.push(Signature { name: name.to_owned(), offset_bytes });
    };
    for magic in own.iter().filter(|magic| media.has(magic.offset_bytes, &magic.bytes)) {
        add(&magic.name, magic.offset_bytes);
    }
    for mark in FROM_START.iter().filter(|mark| media.has(mark.offset, mark.bytes)) {
        add(mark.name, mark.offset);
    }
    for mark in FROM_END {
        if let Some(offset) = media.before_end(mark.offset).filter(|&at| media.has(at, mark.bytes))
        {
            add(mark.name, offset);
        }
    }
    let special = [ext(media), swap(media), luks(media), md(media), zfs(media), boot_sector(media)];
    for (name, offset) in special.into_iter().flatten().chain(repeated(media)) {
        add(name, offset);
    }
    found.sort_by_key(|signature| signature.offset_bytes);
    found.dedup_by(|later, first| later.name == first.name);
    found
}

struct Mark {
    name: &'static str,
    offset: u64,
    bytes: &'static [u8],
}

const fn mark(name: &'static str, offset: u64, bytes: &'static [u8]) -> Mark {
    Mark { name, offset, bytes }
}

const GPT: &str = "a GPT partition table";
const VMFS: &str = "VMFS";
const REISERFS: &str = "ReiserFS";
const BITLOCKER: &str = "BitLocker";

const FROM_START: &[Mark] = &[
    mark(GPT, 512, b"EFI PART"),
    mark(GPT, 4096, b"EFI PART"),
    mark("xfs", 0, b"XFSB"),
    mark("btrfs", 0x1_0040, b"_BHRfS_M"),
    mark("bcache", 0x1018, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"),
    mark("bcachefs", 0x1018, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"),
    mark("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    mark("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
    mark("squashfs", 0, b"hsqs"),
    mark("FAT", 54, b"FAT12   "),
    mark("FAT", 54, b"FAT16   "),
    mark("FAT", 82, b"FAT32   "),
    mark("exFAT", 3, b"EXFAT   "),
    mark("NTFS", 3, b"NTFS    "),
    mark("ReFS", 3, b"ReFS\0\0\0\0"),
    mark(BITLOCKER, 3, b"-FVE-FS-"),
    mark("ISO 9660", 0x8001, b"CD001"),
    mark("UDF", 0x8001, b"BEA01"),
    mark("UDF", 0x8801, b"BEA01"),
    mark(REISERFS, 0x1_0034, b"ReIsErFs"),
    mark(REISERFS, 0x1_0034, b"ReIsEr2Fs"),
    mark(REISERFS, 0x1_0034, b"ReIsEr3Fs"),
    mark(REISERFS, 0x2034, b"ReIsErFs"),
    mark("Reiser4", 0x1_0000, b"ReIsEr4"),
    mark("JFS", 0x8000, b"JFS1"),
    mark("GFS2", 0x1_0000, b"\x01\x16\x19\x70"),
    mark("OCFS2", 0x400, b"OCFSV2"),
    mark("OCFS2", 0x800, b"OCFSV2"),
    mark("OCFS2", 0x1000, b"OCFSV2"),
    mark("OCFS2", 0x2000, b"OCFSV2"),
    mark("UFS", 0x255c, b"\x54\x19\x01\x00"),
    mark("UFS", 0x255c, b"\x00\x01\x19\x54"),
    mark("UFS", 0x1_055c, b"\x19\x01\x54\x19"),
    mark("APFS", 32, b"NXSB"),
    mark("HFS+", 1024, b"H+\0\x04"),
    mark("HFSX", 1024, b"HX\0\x05"),
    mark(VMFS, 1 << 20, b"\x0d\xd0\x01\xc0"),
    mark(VMFS, 2 << 20, b"\x5e\xf1\xab\x2f"),
    mark("Ceph BlueStore", 0, b"bluestore block device"),
    mark("Oracle ASM", 32, b"ORCLDISK"),
    mark("Stratis", 516, b"!Stra0tis\x86\xff\x02\x5e\x41rh"),
    mark("VDO", 0, b"dmvdo001"),
    mark("dm-integrity", 0, b"integrt\0"),
    mark("dm-verity", 0, b"verity\0\0"),
    mark("a dynamic disk of Windows (LDM)", 3072, b"PRIVHEAD"),
    mark("a qcow2 image", 0, b"QFI\xfb"),
    mark("a VHDX image", 0, b"vhdxfile"),
    mark("a VMDK image", 0, b"KDMV"),
];

/// Offsets are distances from the end.
const FROM_END: &[Mark] = &[
    mark(GPT, 512, b"EFI PART"),
    mark(GPT, 4096, b"EFI PART"),
    mark("DRBD", 4096 - 60, b"\x83\x74\x02\x6b"),
    mark("DRBD", 4096 - 60, b"\x83\x74\x02\x6c"),
    mark("DRBD", 4096 - 60, b"\x83\x74\x02\x6d"),
    mark("a RAID of the firmware (Intel)", 1024, b"Intel Raid ISM Cfg Sig. "),
    mark("a RAID of the firmware (DDF)", 512, b"\xde\x11\xde\x11"),
    mark("a VHD image", 512, b"conectix"),
];

type Found = Option<(&'static str, u64)>;

/// ext2, 3 and 4 share a mark of two bytes; their features tell them apart.
fn ext(media: &Media) -> Found {
    if !media.has(1024 + 0x38, b"\x53\xef") {
        return None;
    }
    let compatible = media.u32_le(1024 + 0x5c)?;
    let incompatible = media.u32_le(1024 + 0x60)?;
    // Extents, 64 bit or flexible groups are ext4's; a journal alone makes ext3; a journal device is its own.
    let name = match (compatible & 0x4 != 0, incompatible) {
        (_, bits) if bits & 0x8 != 0 => "a journal of ext4",
        (_, bits) if bits & (0x40 | 0x80 | 0x200) != 0 => "ext4",
        (true, _) => "ext3",
        (false, _) => "ext2",
    };
    Some((name, 1024 + 0x38))
}

/// The mark ends the first page, and pages differ; a suspended system replaces it.
fn swap(media: &Media) -> Found {
    let marks: [&[u8]; 6] = [
        b"SWAPSPACE2",
        b"SWAP-SPACE",
        b"S1SUSPEND\0",
        b"S2SUSPEND\0",
        b"ULSUSPEND\0",
        b"LINHIB0001",
    ];
    let pages = [4096, 8192, 16384, 32768, 65536].map(|page: u64| page - 10);
    let at = pages.into_iter().find(|&at| marks.iter().any(|mark| media.has(at, mark)))?;
    Some(("swap space", at))
}

/// LUKS2 repeats its header, with another mark, behind an area of one of these sizes.
fn luks(media: &Media) -> Found {
    if media.has(0, b"LUKS\xba\xbe") {
        return Some(("LUKS", 0));
    }
    let areas = (14..=22).map(|bits| 1u64 << bits);
    areas.into_iter().find(|&at| media.has(at, b"SKUL\xba\xbe")).map(|at| ("LUKS", at))
}

/// Software RAID of Linux: version 1.1 at the start, 1.2 at 4 KiB, 1.0 and 0.90 near the end.
fn md(media: &Media) -> Found {
    let little = 0xa92b_4efc_u32.to_le_bytes();
    let sectors = media.size_bytes / 512;
    let version_1_0 = sectors.checked_sub(16).map(|sector| (sector & !7) * 512);
    let version_0_90 = (media.size_bytes & !0xffff).checked_sub(0x1_0000);
    let places = [Some(0), Some(4096), version_1_0, version_0_90];
    let found = places.into_iter().flatten().find(|&at| {
        let big = media.has(at, &0xa92b_4efc_u32.to_be_bytes()) && Some(at) == version_0_90;
        big || media.has(at, &little)
    })?;
    Some(("a member of a Linux software RAID (md)", found))
}

/// Four labels, each with a ring of uberblocks in its second half.
fn zfs(media: &Media) -> Found {
    const LABEL: u64 = 256 << 10;
    let end = media.size_bytes & !(LABEL - 1);
    let labels = [Some(0), Some(LABEL), end.checked_sub(2 * LABEL), end.checked_sub(LABEL)];
    let magic = 0x00ba_b10c_u64;
    for label in labels.into_iter().flatten() {
        for slot in 0..128 {
            let at = label + (128 << 10) + slot * 1024;
            if media.has(at, &magic.to_le_bytes()) || media.has(at, &magic.to_be_bytes()) {
                return Some(("a member of a ZFS pool", at));
            }
        }
    }
    None
}

/// The first sector of something bootable: an MBR when a partition entry makes sense.
fn boot_sector(media: &Media) -> Found {
    if !media.has(510, b"\x55\xaa") {
        return None;
    }
    let entries = media.at(446, 64)?;
    let partitioned = entries.chunks_exact(16).any(|entry| {
        let boot_flag_makes_sense = matches!(entry[0], 0 | 0x80);
        boot_flag_makes_sense && entry[4] != 0 && entry[12..16] != [0; 4]
    });
    Some((if partitioned { "an MBR partition table" } else { "a boot sector" }, 510))
}

/// Marks that may stand in one of several sectors, with a second field that must fit.
fn repeated(media: &Media) -> Vec<(&'static str, u64)> {
    let mut found = Vec::new();
    for sector in 0..4 {
        let at = sector * 512;
        if media.has(at, b"LABELONE") && media.has(at + 24, b"LVM2 001") {
            found.push(("a physical volume of LVM", at));
        }
    }
    // NILFS2: revision 2, then its two-byte mark.
    if media.has(1024, &[2, 0, 0, 0]) && media.has(1030, &[0x34, 0x34]) {
        found.push(("NILFS2", 1030));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 64 << 20;

    fn media(size_bytes: u64, marks: &[(u64, &[u8])]) -> Media {
        let mut all = vec![0; usize::try_from(size_bytes).unwrap()];
        for (at, bytes) in marks {
            let at = usize::try_from(*at).unwrap();
            all[at..at + bytes.len()].copy_from_slice(bytes);
        }
        let head = all[..HEAD_BYTES.min(all.len())].to_vec();
        let tail = all[all.len() - TAIL_BYTES.min(all.len())..].to_vec();
        Media { head, tail, size_bytes }
    }

    fn names(media: &Media) -> Vec<String> {
        recognise(media, &[]).into_iter().map(|signature| signature.name).collect()
    }

    #[test]
    fn every_mark_of_the_table_is_recognised_at_its_place() {
        for mark in FROM_START {
            assert_eq!(names(&media(SIZE, &[(mark.offset, mark.bytes)])), [mark.name]);
        }
        for mark in FROM_END {
            assert_eq!(names(&media(SIZE, &[(SIZE - mark.offset, mark.bytes)])), [mark.name]);
        }
    }

    #[test]
    fn marks_with_rules_of_their_own_are_recognised() {
        fn check(marks: &[(u64, &[u8])], expected: &str) {
            assert_eq!(names(&media(SIZE, marks)), [expected]);
        }
        const EXT: (u64, &[u8]) = (1080, b"\x53\xef");
        check(&[EXT], "ext2");
        check(&[EXT, (1024 + 0x5c, &[4])], "ext3");
        check(&[EXT, (1024 + 0x5c, &[4]), (1024 + 0x60, &[0x42])], "ext4");
        check(&[EXT, (1024 + 0x60, &[8])], "a journal of ext4");
        check(&[(4086, b"SWAPSPACE2")], "swap space");
        check(&[(65526, b"SWAPSPACE2")], "swap space");
        check(&[(4086, b"S1SUSPEND\0")], "swap space");
        check(&[(0, b"LUKS\xba\xbe")], "LUKS");
        check(&[(0x4000, b"SKUL\xba\xbe")], "LUKS");
        let md: &[u8] = &0xa92b_4efc_u32.to_le_bytes();
        let raid = "a member of a Linux software RAID (md)";
        for at in [0, 4096, SIZE - 8192, SIZE - 65536] {
            check(&[(at, md)], raid);
        }
        let uberblock: &[u8] = &0x00ba_b10c_u64.to_le_bytes();
        for label in [0, 256 << 10, SIZE - (512 << 10), SIZE - (256 << 10)] {
            check(&[(label + (128 << 10) + 5 * 1024, uberblock)], "a member of a ZFS pool");
        }
        check(&[(512, b"LABELONE"), (536, b"LVM2 001")], "a physical volume of LVM");
        check(&[(1024, &[2, 0, 0, 0]), (1030, &[0x34, 0x34])], "NILFS2");
        check(&[(510, b"\x55\xaa")], "a boot sector");
        check(&[(510, b"\x55\xaa"), (450, &[0x83]), (458, &[0, 8])], "an MBR partition table");
    }

    #[test]
    fn nothing_is_seen_where_nothing_is_and_at_the_wrong_place() {
        fn check(size: u64, marks: &[(u64, &[u8])]) {
            assert_eq!(names(&media(size, marks)), Vec::<String>::new());
        }
        check(SIZE, &[]);
        check(4096, &[]);
        check(8192, &[]);
        check(SIZE, &[(1, b"XFSB")]);
        check(SIZE, &[(520, b"LABELONE")]);
        check(SIZE, &[(SIZE / 2, b"EFI PART")]);
    }

    #[test]
    fn our_own_mark_and_several_marks_are_told_in_order() {
        let own = Magic { offset_bytes: 8, bytes: b"ours".to_vec(), name: "an array".into() };
        let media = media(SIZE, &[(8, b"ours"), (512, b"EFI PART"), (SIZE - 512, b"EFI PART")]);
        let found = recognise(&media, &[own]);
        let expected = [("an array", 8), (GPT, 512)];
        let expected =
            expected.map(|(name, offset_bytes)| Signature { name: name.to_owned(), offset_bytes });
        assert_eq!(found, expected);
    }
}
