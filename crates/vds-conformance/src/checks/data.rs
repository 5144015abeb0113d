//! The LUN's data: the descriptor, and what is read and written through it.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::PathBuf;

use rustix::fs::OFlags;
use vds_model::LunId;
use vds_operation::OperationKind;
use vds_plugin::{LunOpened, LunParams, Nothing, Request, method};

use crate::subject::{Subject, of_system};
use crate::trouble::{Step, Trouble, ensure, failed};

/// Bytes looked at in one place.
const PIECE: usize = 64 << 10;

fn of_io(what: &str, error: &std::io::Error) -> Trouble {
    Trouble::Failed(format!("{what}: {error}"))
}

/// Opens a LUN as the service does: what the descriptor stands for, a second time.
pub(super) fn opened(subject: &mut Subject<'_>, lun: LunId, size_bytes: u64) -> Step<File> {
    let answered = subject.call(method::LUN_OPEN, &LunParams { lun })?;
    let said: LunOpened = match &answered.outcome {
        Ok(result) => serde_json::from_str(result.get()).map_err(|error| {
            Trouble::Failed(format!("the answer to `lun.open` cannot be read: {error}"))
        })?,
        Err(error) => return failed(format!("`lun.open` was refused: {}", error.message)),
    };
    let Some(descriptor) = answered.descriptor else {
        return failed("no descriptor came with the answer to `lun.open`");
    };
    ensure(!said.is_read_only, || "a LUN that was just made is read-only".to_owned())?;
    ensure(said.size_bytes >= size_bytes, || {
        format!("`lun.open` says {} B, the view {size_bytes} B", said.size_bytes)
    })?;
    let flags = rustix::fs::fcntl_getfl(&descriptor)
        .map_err(|error| of_system("the descriptor's flags", error))?;
    ensure(flags & OFlags::ACCMODE == OFlags::RDWR, || {
        "the descriptor is not open for reading and writing".to_owned()
    })?;
    let found = File::from(descriptor);
    let kind = found.metadata().map_err(|error| of_io("the descriptor", &error))?.file_type();
    ensure(kind.is_file() || kind.is_block_device(), || {
        "the descriptor is neither of a regular file nor of a block device".to_owned()
    })?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
    let file = OpenOptions::new().read(true).write(true).open(path);
    let mut file = file.map_err(|error| of_io("opening the LUN's file again", &error))?;
    let bytes = std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0));
    let bytes = bytes.map_err(|error| of_io("the LUN's size", &error))?;
    ensure(bytes >= size_bytes, || format!("the file has {bytes} B, the LUN {size_bytes} B"))?;
    Ok(file)
}

pub(super) fn close(subject: &mut Subject<'_>, lun: LunId) -> Step {
    if !subject.said.has(method::LUN_CLOSE) {
        return Ok(());
    }
    subject.ask_and_read::<_, Nothing>(method::LUN_CLOSE, &LunParams { lun }).map(drop)
}

/// A piece that no other place and no other LUN has.
fn pattern(lun: LunId, at: u64) -> Vec<u8> {
    let seed = u64::from_be_bytes(lun.to_bytes()[..8].try_into().expect("8 of 16 bytes"));
    let words =
        (0_u64..).map(|word| (seed ^ at).wrapping_add(word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    words.flat_map(u64::to_le_bytes).take(PIECE).collect()
}

/// Beginning and end, where mistakes show.
fn places(size_bytes: u64) -> [u64; 2] {
    [0, size_bytes - PIECE as u64]
}

pub(super) fn write(file: &File, lun: LunId, size_bytes: u64) -> Step {
    for at in places(size_bytes) {
        file.write_all_at(&pattern(lun, at), at)
            .map_err(|error| of_io("writing through the descriptor", &error))?;
    }
    file.sync_data().map_err(|error| of_io("flushing through the descriptor", &error))
}

pub(super) fn verify(file: &File, lun: LunId, size_bytes: u64, when: &str) -> Step {
    let mut found = vec![0; PIECE];
    for at in places(size_bytes) {
        file.read_exact_at(&mut found, at)
            .map_err(|error| of_io("reading through the descriptor", &error))?;
        ensure(found == pattern(lun, at), || {
            format!("{when}, the data at byte {at} is not what was written")
        })?;
    }
    Ok(())
}

pub(super) fn open(subject: &mut Subject<'_>) -> Step {
    subject.has(method::LUN_OPEN)?;
    let place = subject.place()?;
    let lun = subject.create(place, place.small_bytes())?;
    let file = opened(subject, lun.id, lun.size_bytes)?;
    let mut found = vec![1; PIECE];
    for at in places(lun.size_bytes) {
        file.read_exact_at(&mut found, at)
            .map_err(|error| of_io("reading through the descriptor", &error))?;
        ensure(found.iter().all(|byte| *byte == 0), || {
            format!("a new LUN holds old data at byte {at}")
        })?;
    }
    write(&file, lun.id, lun.size_bytes)?;
    drop(file);
    close(subject, lun.id)?;
    let file = opened(subject, lun.id, lun.size_bytes)?;
    verify(&file, lun.id, lun.size_bytes, "opened again")?;
    drop(file);
    close(subject, lun.id)
}

pub(super) fn grows(subject: &mut Subject<'_>) -> Step {
    subject.declared(OperationKind::ExtendLun)?;
    let place = subject.place()?;
    let lun = subject.create(place, place.small_bytes())?;
    let file = opened(subject, lun.id, lun.size_bytes)?;
    write(&file, lun.id, lun.size_bytes)?;
    let by_bytes = place.small_bytes();
    subject.succeed(&Request::ExtendLun { lun: lun.id, by_bytes, drives: None })?;
    let luns = subject.view()?.luns;
    let Some(larger) = luns.iter().find(|found| found.id == lun.id) else {
        return failed("the LUN went away when it was extended");
    };
    verify(&file, lun.id, lun.size_bytes, "after the LUN was extended")?;
    if larger.data_version != lun.data_version {
        subject.note("the data lies elsewhere after an extend");
        return close(subject, lun.id);
    }
    let mut last = [1];
    file.read_exact_at(&mut last, larger.size_bytes - 1)
        .map_err(|error| of_io("reading the new end through the old descriptor", &error))?;
    ensure(last == [0], || "the new end holds old data".to_owned())?;
    drop(file);
    close(subject, lun.id)
}
