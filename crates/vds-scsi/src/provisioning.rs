//! Deallocation: UNMAP, WRITE SAME, GET LBA STATUS, and the two pages that state their limits.

use crate::action::{ParameterKind, ParameterList, Pattern, Range};
use crate::cdb::Cdb;
use crate::read_write::{self, Extent};
use crate::server::Refusal;
use crate::unit::PHYSICAL_BLOCK_BYTES;
use crate::{Action, Command, DeviceServer, Response, Sense, Task};

/// MAXIMUM UNMAP LBA COUNT: sectors in all descriptors of one command.
const UNMAP_SECTORS_MAX: u32 = 1 << 20;
/// MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT.
const UNMAP_DESCRIPTORS_MAX: usize = 256;
/// MAXIMUM WRITE SAME LENGTH: the longest run of whole physical blocks that the 16-bit length of WRITE SAME (10) says.
const WRITE_SAME_SECTORS_MAX: u32 = 0xfff8;

/// Bytes before the first block descriptor of an UNMAP parameter list.
const UNMAP_HEADER_BYTES: usize = 8;
/// Bytes of one.
const UNMAP_DESCRIPTOR_BYTES: usize = 16;

/// The block limits page, B0h. Source: SBC-4 §6.6.3.
pub(crate) fn block_limits(server: &DeviceServer) -> Vec<u8> {
    let shape = &server.shape;
    let physical_sectors = PHYSICAL_BLOCK_BYTES / shape.sector().bytes();
    let transfer_max = shape.transfer_sectors_max();
    let compare_max = u8::try_from(read_write::compare_sectors_max(server))
        .expect("limited to what one byte says");
    let granularity = u16::try_from(physical_sectors).expect("at most 8 sectors");
    let descriptors_max = u32::try_from(UNMAP_DESCRIPTORS_MAX).expect("a small constant");

    let mut contents = vec![0; 0x3c];
    // Offsets as in the page, which begins with a header of four bytes.
    let mut put = |page_byte: usize, value: u32| {
        contents[page_byte - 4..page_byte].copy_from_slice(&value.to_be_bytes());
    };
    put(8, transfer_max);
    put(12, transfer_max); // OPTIMAL TRANSFER LENGTH
    put(20, UNMAP_SECTORS_MAX);
    put(24, descriptors_max);
    put(28, physical_sectors); // OPTIMAL UNMAP GRANULARITY
    put(32, 0x8000_0000); // UGAVALID, alignment 0
    put(40, WRITE_SAME_SECTORS_MAX); // the lower half of eight bytes
    put(44, atomic_sectors_max(server));
    contents[0] = 0x01; // WSNZ: WRITE SAME of length 0 is refused
    contents[1] = compare_max;
    contents[2..4].copy_from_slice(&granularity.to_be_bytes());
    contents
}

/// MAXIMUM ATOMIC TRANSFER LENGTH: every command's own maximum, as far as WRITE ATOMIC's 16-bit length reaches.
pub(crate) fn atomic_sectors_max(server: &DeviceServer) -> u32 {
    server.shape.transfer_sectors_max().min(u32::from(u16::MAX))
}

/// The logical block provisioning page, B2h. Source: SBC-3 §6.5.6.
///
/// The LUN's space is reserved, so that it is resource provisioned, and what is deallocated keeps its reservation: that
/// is what "anchored" means.
pub(crate) fn provisioning_page(_server: &DeviceServer) -> Vec<u8> {
    const LBPU: u8 = 0x80;
    const LBPWS: u8 = 0x40;
    const LBPWS10: u8 = 0x20;
    const LBPRZ: u8 = 0x04;
    const ANC_SUP: u8 = 0x02;
    const RESOURCE_PROVISIONED: u8 = 0x01;
    vec![0, LBPU | LBPWS | LBPWS10 | LBPRZ | ANC_SUP, RESOURCE_PROVISIONED, 0]
}

/// UNMAP: asks for its parameter list. Source: SBC-3 §5.27.
pub(crate) fn unmap(
    server: &mut DeviceServer,
    command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    read_write::check_writable(server)?;
    let bytes = u64::from(cdb.u16(7));
    if bytes == 0 {
        return Ok(Task::good());
    }
    let kind = ParameterKind::Unmap { durable: !server.mode.write_back };
    let arriving = bytes.min(command.data_out_bytes);
    Ok(Task::new(Action::Collect(ParameterList { kind, bytes: arriving }), bytes))
}

/// Reads the parameter list of UNMAP. Descriptors of length 0 say nothing; so does a list of none.
pub(crate) fn parse_unmap(
    server: &DeviceServer,
    durable: bool,
    data: &[u8],
) -> Result<Action, Sense> {
    if data.len() < UNMAP_HEADER_BYTES {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    }
    let descriptors_bytes = usize::from(u16::from_be_bytes([data[2], data[3]]));
    let descriptors = &data[UNMAP_HEADER_BYTES..];
    // SBC-3 §5.27.2: a length that is no multiple of a descriptor loses its broken end.
    let whole = descriptors_bytes / UNMAP_DESCRIPTOR_BYTES;
    if whole > UNMAP_DESCRIPTORS_MAX {
        return Err(Sense::invalid_parameter(2, None));
    }
    let descriptors =
        descriptors.get(..whole * UNMAP_DESCRIPTOR_BYTES).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let (ranges, sectors) = unmap_ranges(server, descriptors)?;
    if sectors > u64::from(UNMAP_SECTORS_MAX) {
        return Err(Sense::INVALID_FIELD_IN_PARAMETERS);
    }
    if ranges.is_empty() {
        return Ok(Action::Respond(Response::good()));
    }
    Ok(Action::Unmap { ranges, durable })
}

/// The ranges of whole descriptors, and their sectors in sum.
fn unmap_ranges(server: &DeviceServer, descriptors: &[u8]) -> Result<(Vec<Range>, u64), Sense> {
    let mut ranges = Vec::new();
    let mut sum = 0;
    for descriptor in descriptors.chunks_exact(UNMAP_DESCRIPTOR_BYTES) {
        let lba = u64::from_be_bytes(descriptor[..8].try_into().expect("eight bytes"));
        let sectors =
            u64::from(u32::from_be_bytes(descriptor[8..12].try_into().expect("four bytes")));
        let extent = Extent { lba, sectors, length_byte: 0 };
        extent.check_on_lun(server)?;
        if sectors != 0 {
            sum += sectors;
            ranges.push(extent.range(server));
        }
    }
    Ok((ranges, sum))
}

/// WRITE SAME (10), (16). Source: SBC-3 §5.41.
///
/// UNMAP 1 lets the LUN deallocate where the sector is all zeros; the LUN does that anyway, and writes any other sector,
/// as LBPRZ demands.
pub(crate) fn write_same(
    server: &mut DeviceServer,
    command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    const ANCHOR: u8 = 0x10;
    const UNMAP: u8 = 0x08;
    const PBDATA_LBDATA: u8 = 0x06;
    const NDOB: u8 = 0x01;

    read_write::check_protect(cdb)?;
    if cdb.bit(1, PBDATA_LBDATA) {
        return Err(Sense::invalid_cdb_field(1, Some(2)).into());
    }
    if cdb.bit(1, ANCHOR) && !cdb.bit(1, UNMAP) {
        return Err(Sense::invalid_cdb_field(1, Some(4)).into());
    }
    read_write::check_writable(server)?;
    let extent = Extent::of(cdb);
    extent.check_on_lun(server)?;
    if extent.sectors == 0 {
        // WSNZ of the block limits page.
        return Err(Sense::invalid_cdb_field(extent.length_byte, None).into());
    }
    extent.check_length(WRITE_SAME_SECTORS_MAX)?;
    let range = extent.range(server);
    let durable = !server.mode.write_back;
    if cdb.len() == 16 && cdb.bit(1, NDOB) {
        return Ok(Task::new(Action::WriteSame { range, pattern: Pattern::Zeros, durable }, 0));
    }
    let sector = u64::from(server.shape.sector().bytes());
    if command.data_out_bytes != sector {
        return Err(read_write::wrong_data_out(sector));
    }
    Ok(Task::new(Action::WriteSame { range, pattern: Pattern::DataOut, durable }, sector))
}

/// GET LBA STATUS: from the address on, everything is "mapped or unknown" (status 0h), for which sectors are deallocated
/// is the LUN's knowledge and not asked for. Without the command, clients that see LBPME complain at each look.
/// Source: SBC-3 §5.4, table 39.
pub(crate) fn lba_status(
    server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    let lba = cdb.u64(2);
    let capacity = server.shape.sectors();
    if lba >= capacity {
        return Err(Sense::LBA_OUT_OF_RANGE.into());
    }
    let sectors = u32::try_from(capacity - lba).unwrap_or(u32::MAX);
    let mut data = vec![0, 0, 0, 20, 0, 0, 0, 0];
    data.extend_from_slice(&lba.to_be_bytes());
    data.extend_from_slice(&sectors.to_be_bytes());
    data.extend_from_slice(&[0; 4]);
    Ok(Task::data(data, cdb.allocation32(10)))
}
