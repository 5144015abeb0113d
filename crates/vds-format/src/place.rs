//! The numbers that name things on drives.

use std::fmt;

macro_rules! numbers {
    ($($(#[$meta:meta])* $name:ident($inner:ty), $letter:literal;)*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!($letter, "{}"), self.0)
            }
        }
    )* };
}

numbers! {
    /// A drive of an array; never reused.
    DriveNo(u16), "d";
    /// A LUN (family) of an array; never reused.
    LunNo(u32), "l";
    /// A segment: 40 bits, from 1 up, never reused.
    SegmentNo(u64), "s";
    /// A slab of one drive.
    SlabNo(u32), "slab ";
    /// A round of the catalog's journal, from 1 up.
    Round(u64), "round ";
    /// A batch of one stream of a family, from 1 up; 0 is before the first.
    Sequence(u64), "#";
}

/// Where a block lies: segment and index. Never a drive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Place(pub u64);

impl Place {
    /// Reads as zeros.
    pub const NOWHERE: Self = Self(0);
    /// Nobody knows what the block held: reading it is a medium error until it is written or unmapped. In leaves only.
    pub const LOST: Self = Self(1);
    const INDEX_BITS: u32 = 24;
    /// The highest segment number.
    pub const SEGMENT_MAX: u64 = (1 << 40) - 1;

    /// The place of data column `column`, row `row` in a segment whose slabs have `rows` rows.
    ///
    /// # Panics
    /// When a part is outside its bits: callers take them from checked records.
    pub fn new(segment: SegmentNo, column: u32, row: u32, rows: u32) -> Self {
        let index = u64::from(column) * u64::from(rows) + u64::from(row);
        assert!(row < rows, "row {row} of {rows}");
        assert!(index < 1 << Self::INDEX_BITS, "index {index}");
        assert!(segment.0 <= Self::SEGMENT_MAX, "{segment}");
        assert!(segment.0 != 0, "segment 0 is nowhere");
        Self((segment.0 << Self::INDEX_BITS) | index)
    }

    /// Its segment.
    pub fn segment(self) -> SegmentNo {
        SegmentNo(self.0 >> Self::INDEX_BITS)
    }

    /// Its index in the segment: data column × rows + row.
    pub fn index(self) -> u32 {
        u32::try_from(self.0 & ((1 << Self::INDEX_BITS) - 1)).expect("24 bits")
    }

    /// Data column and row, given the rows of a slab.
    pub fn column_and_row(self, rows: u32) -> (u32, u32) {
        (self.index() / rows, self.index() % rows)
    }

    /// Whether nothing lies there.
    pub fn is_nowhere(self) -> bool {
        self == Self::NOWHERE
    }

    /// Whether what lay there is not known any more.
    pub fn is_lost(self) -> bool {
        self == Self::LOST
    }

    /// Whether it is a place in a segment.
    pub fn is_somewhere(self) -> bool {
        self.segment().0 != 0
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}+{}", self.segment(), self.index())
    }
}
