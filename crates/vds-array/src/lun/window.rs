//! Reading one column of a segment from front to back, with the next piece on its way.

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};
use vds_io::{Buffer, Spawn};

use super::Segment;
use super::stride::{PIECE_BLOCKS, SHARED_PIECE_BLOCKS, Stride};
use crate::signal::{Answer, Signal, promise};

/// The piece that is looked at, and the one behind it.
const WINDOWS_MAX: usize = 2;

/// After an error so many times less is read at once: one bad sector must not hide its neighbours.
const SHRINK_BY: u32 = 8;

/// One column being read. Blocks are counted from the slab's label, so that slabs that lie one behind the other are
/// read without a gap.
pub(super) struct ColumnReader {
    segment: Rc<Segment>,
    /// Of the column in its segment.
    index: usize,
    spawn: Rc<dyn Spawn>,
    stride: Option<Rc<Stride>>,
    /// In order, without a gap.
    windows: VecDeque<Window>,
    /// Blocks read at once when all is well: a power of two.
    piece_blocks: u32,
    /// Blocks read at once now.
    blocks_now: u32,
    windows_max: usize,
    /// From here on nothing is read ahead.
    end: u32,
    interest: Rc<Interest>,
}

/// Whether anybody still waits for what is on its way. Else it is let go of at once, and with it the segment's slabs.
#[derive(Default)]
struct Interest {
    lost: Cell<bool>,
    changed: Signal,
}

struct Window {
    first: u32,
    count: u32,
    content: Content,
}

enum Content {
    Coming(Answer<Option<Buffer>>),
    /// `None`: it could not be read.
    Here(Option<Buffer>),
}

impl Window {
    fn end(&self) -> u32 {
        self.first + self.count
    }
}

impl ColumnReader {
    /// Reads column `index` of a segment in small pieces, each when it is needed: others wait for little.
    pub(super) fn new(
        spawn: &Rc<dyn Spawn>,
        segment: &Rc<Segment>,
        index: usize,
        end_row: u32,
    ) -> Self {
        Self {
            segment: Rc::clone(segment),
            index,
            spawn: Rc::clone(spawn),
            stride: None,
            windows: VecDeque::new(),
            piece_blocks: SHARED_PIECE_BLOCKS,
            blocks_now: SHARED_PIECE_BLOCKS,
            windows_max: 1,
            end: end_row + 1,
            interest: Rc::default(),
        }
    }

    /// The same in large pieces, and ahead. So many `columns` are read together: all share the memory for this.
    pub(super) fn ahead(mut self, columns: usize) -> Self {
        self.piece_blocks = match columns {
            0..=4 => PIECE_BLOCKS,
            5..=8 => PIECE_BLOCKS / 2,
            _ => SHARED_PIECE_BLOCKS,
        };
        self.blocks_now = self.piece_blocks;
        self.windows_max = WINDOWS_MAX;
        self
    }

    /// The same, giving way to others.
    pub(super) fn with_stride(mut self, stride: &Rc<Stride>) -> Self {
        self.stride = Some(Rc::clone(stride));
        self
    }

    /// Whether everything up to the end is here or on its way.
    pub(super) fn is_all_asked_for(&self) -> bool {
        self.windows.back().is_some_and(|window| window.end() >= self.end)
    }

    /// Whether anything was asked for.
    pub(super) fn is_begun(&self) -> bool {
        !self.windows.is_empty()
    }

    /// Lets the piece with `row` come, and the one behind it.
    pub(super) fn begin(&mut self, row: u32) {
        let block = row + 1;
        while self.windows.front().is_some_and(|window| window.end() <= block) {
            self.windows.pop_front();
        }
        if self.windows.front().is_some_and(|window| window.first > block) {
            self.windows.clear();
        }
        let is_shared = self.stride.as_ref().is_some_and(|stride| stride.is_shared());
        let is_well = self.blocks_now == self.piece_blocks;
        if self.windows.is_empty() {
            // The label lies before the first row: with it the read begins where the slab before ends.
            let first = if row == 0 && is_well { 0 } else { block };
            self.ask_for(first, is_shared);
        }
        while is_well && !is_shared && self.windows.len() < self.windows_max {
            let next = self.windows.back().expect("one was asked for").end();
            if next >= self.end {
                break;
            }
            self.ask_for(next, is_shared);
        }
    }

    /// A row. `None`: it cannot be read.
    pub(super) async fn row(&mut self, row: u32) -> Option<&[u8]> {
        let block = row + 1;
        loop {
            self.begin(row);
            let window = self.windows.front_mut().expect("it was asked for");
            let is_new = matches!(window.content, Content::Coming(_));
            if let Content::Coming(answer) = &mut window.content {
                let blocks = answer.await;
                window.content = Content::Here(blocks);
            }
            let Content::Here(content) = &window.content else { unreachable!("just awaited") };
            let (is_good, count) = (content.is_some(), window.count);
            if is_good && is_new {
                self.blocks_now = (self.blocks_now * 2).min(self.piece_blocks);
            }
            if is_good || count == 1 || self.segment.columns[self.index].live().is_none() {
                break;
            }
            self.windows.clear();
            self.blocks_now = (count.next_power_of_two() / SHRINK_BY).max(1);
        }
        let window = self.windows.front()?;
        let at = usize::try_from(block - window.first).expect("64-bit");
        match &window.content {
            Content::Here(Some(blocks)) => Some(blocks.block(at)),
            _ => None,
        }
    }

    fn ask_for(&mut self, first: u32, is_shared: bool) {
        let size =
            if is_shared { self.blocks_now.min(SHARED_PIECE_BLOCKS) } else { self.blocks_now };
        // Up to the next multiple of the size, or the slab's end.
        let count = (size - first % size).min(self.segment.rows + 1 - first);
        let (told, answer) = promise();
        let (segment, index) = (Rc::clone(&self.segment), self.index);
        let stride = self.stride.clone();
        let read = async move {
            let column = &segment.columns[index];
            let read = column.read_from_label(first, count);
            let blocks = match stride {
                None => read.await,
                Some(stride) => {
                    stride.rest().await;
                    let _own = stride.own(column.record.drive);
                    stride.timed(read).await
                }
            };
            told.answer(blocks.ok());
        };
        let interest = Rc::clone(&self.interest);
        let read = async move {
            let lost = interest.changed.until(|| interest.lost.get().then_some(()));
            // Ends with whichever comes first: an answer, or nobody left to hear it.
            let (Either::Left(_) | Either::Right(_)) = select(pin!(read), pin!(lost)).await;
        };
        self.spawn.spawn("read ahead", Box::pin(read));
        self.windows.push_back(Window { first, count, content: Content::Coming(answer) });
    }
}

impl Drop for ColumnReader {
    fn drop(&mut self) {
        self.interest.lost.set(true);
        self.interest.changed.notify();
    }
}
