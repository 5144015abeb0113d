//! MODE SENSE and MODE SELECT: the caching page (08h) and the control page (0Ah).

use crate::action::{ParameterKind, ParameterList};
use crate::cdb::Cdb;
use crate::server::Refusal;
use crate::{Action, Command, DeviceServer, NexusId, Response, Sense, Shape, Task, UnitAttention};

const CACHING: u8 = 0x08;
const CONTROL: u8 = 0x0a;
const ALL_PAGES: u8 = 0x3f;
const ALL_SUBPAGES: u8 = 0xff;

/// Caching page, byte 2.
const WCE: u8 = 0x04;
/// Control page, byte 2.
const D_SENSE: u8 = 0x04;
/// Control page, byte 2: there are no log pages to save.
const GLTSD: u8 = 0x02;
/// Control page, byte 3: QUEUE ALGORITHM MODIFIER 1, commands may be reordered freely.
const UNRESTRICTED_REORDERING: u8 = 0x10;
/// Control page, byte 4.
const SWP: u8 = 0x08;

/// What initiators may set. One set for all of them (TST 000b, shared pages).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModeSettings {
    /// WCE.
    pub(crate) write_back: bool,
    /// D_SENSE.
    pub(crate) descriptor_sense: bool,
    /// SWP.
    pub(crate) software_write_protect: bool,
}

impl ModeSettings {
    pub(crate) fn defaults(shape: &Shape) -> Self {
        Self {
            write_back: shape.write_back(),
            descriptor_sense: false,
            software_write_protect: false,
        }
    }

    /// Every bit set that an initiator may change. A LUN that is write-through by policy stays so.
    fn changeable(shape: &Shape) -> Self {
        Self {
            write_back: shape.write_back(),
            descriptor_sense: true,
            software_write_protect: true,
        }
    }

    /// Caching page, header included. Source: SBC-3 §6.4.5.
    fn caching_page(self) -> Vec<u8> {
        let mut page = vec![0; 20];
        page[0] = CACHING;
        page[1] = 0x12;
        page[2] = if self.write_back { WCE } else { 0 };
        page
    }

    /// Control page, header included; without what never changes if `bare`. Source: SPC-4 §7.5.8.
    fn control_page(self, bare: bool) -> Vec<u8> {
        let mut page = vec![0; 12];
        page[0] = CONTROL;
        page[1] = 0x0a;
        if !bare {
            page[2] = GLTSD;
            page[3] = UNRESTRICTED_REORDERING;
        }
        if self.descriptor_sense {
            page[2] |= D_SENSE;
        }
        if self.software_write_protect {
            page[4] |= SWP;
        }
        page
    }
}

/// The two forms of MODE SELECT and MODE SENSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Six,
    Ten,
}

impl Form {
    fn of(cdb: &Cdb) -> Self {
        if cdb.len() == 6 { Self::Six } else { Self::Ten }
    }

    const fn header_bytes(self) -> usize {
        match self {
            Self::Six => 4,
            Self::Ten => 8,
        }
    }
}

/// A MODE SELECT whose parameter list is still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModeSelect {
    form: Form,
}

/// MODE SENSE (6), (10). Source: SPC-4 §6.11, §6.12.
pub(crate) fn mode_sense(
    server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    const DBD: u8 = 0x08;
    const LLBAA: u8 = 0x10;

    let form = Form::of(cdb);
    let pages = asked_pages(server, cdb)?;
    let descriptor = if cdb.bit(1, DBD) {
        Vec::new()
    } else {
        block_descriptor(&server.shape, form == Form::Ten && cdb.bit(1, LLBAA))
    };
    let mut data = header(server, form, &descriptor, pages.len());
    data.extend_from_slice(&descriptor);
    data.extend_from_slice(&pages);
    let allocation = match form {
        Form::Six => usize::from(cdb.u8(4)),
        Form::Ten => cdb.allocation16(7),
    };
    Ok(Task::data(data, allocation))
}

/// The pages that PAGE CODE and SUBPAGE CODE name, in the values that PC names.
fn asked_pages(server: &DeviceServer, cdb: &Cdb) -> Result<Vec<u8>, Sense> {
    let (settings, bare) = match cdb.u8(2) >> 6 {
        0b00 => (server.mode, false),
        0b01 => (ModeSettings::changeable(&server.shape), true),
        0b10 => (ModeSettings::defaults(&server.shape), false),
        _ => return Err(Sense::SAVING_NOT_SUPPORTED),
    };
    let code = cdb.u8(2) & 0x3f;
    if !matches!(cdb.u8(3), 0 | ALL_SUBPAGES) {
        return Err(Sense::invalid_cdb_field(3, None));
    }
    let mut pages = Vec::new();
    if matches!(code, CACHING | ALL_PAGES) {
        pages.extend(settings.caching_page());
    }
    if matches!(code, CONTROL | ALL_PAGES) {
        pages.extend(settings.control_page(bare));
    }
    if pages.is_empty() {
        return Err(Sense::invalid_cdb_field(2, Some(5)));
    }
    Ok(pages)
}

/// Mode parameter header. Source: SPC-4 §7.5.5.
fn header(server: &DeviceServer, form: Form, descriptor: &[u8], pages_bytes: usize) -> Vec<u8> {
    const WP: u8 = 0x80;
    const DPOFUA: u8 = 0x10;
    const LONGLBA: u8 = 0x01;

    let protected = server.shape.read_only() || server.mode.software_write_protect;
    let device_specific = DPOFUA | if protected { WP } else { 0 };
    let descriptor_bytes = u8::try_from(descriptor.len()).expect("at most 16 bytes");
    let total = form.header_bytes() + descriptor.len() + pages_bytes;
    match form {
        Form::Six => {
            let following = u8::try_from(total - 1).expect("two pages and a descriptor are short");
            vec![following, 0, device_specific, descriptor_bytes]
        }
        Form::Ten => {
            let following = u16::try_from(total - 2).expect("two pages and a descriptor are short");
            let [high, low] = following.to_be_bytes();
            let long = if descriptor.len() == 16 { LONGLBA } else { 0 };
            vec![high, low, 0, device_specific, long, 0, 0, descriptor_bytes]
        }
    }
}

/// Short or long LBA mode parameter block descriptor. Source: SBC-3 §6.4.2.
fn block_descriptor(shape: &Shape, long: bool) -> Vec<u8> {
    let sector = shape.sector().bytes().to_be_bytes();
    let mut descriptor = Vec::with_capacity(16);
    if long {
        descriptor.extend_from_slice(&shape.sectors().to_be_bytes());
        descriptor.extend_from_slice(&[0; 4]);
        descriptor.extend_from_slice(&sector);
    } else {
        let sectors = u32::try_from(shape.sectors()).unwrap_or(u32::MAX);
        descriptor.extend_from_slice(&sectors.to_be_bytes());
        descriptor.push(0);
        descriptor.extend_from_slice(&sector[1..]);
    }
    descriptor
}

/// MODE SELECT (6), (10): asks for its parameter list. Source: SPC-4 §6.9, §6.10.
pub(crate) fn mode_select(
    _server: &mut DeviceServer,
    command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    const PF: u8 = 0x10;
    const SP: u8 = 0x01;

    let form = Form::of(cdb);
    if cdb.bit(1, SP) {
        return Err(Sense::invalid_cdb_field(1, Some(0)).into());
    }
    let bytes = match form {
        Form::Six => u64::from(cdb.u8(4)),
        Form::Ten => u64::from(cdb.u16(7)),
    };
    if bytes == 0 {
        return Ok(Task::good());
    }
    if !cdb.bit(1, PF) {
        return Err(Sense::invalid_cdb_field(1, Some(4)).into());
    }
    let kind = ParameterKind::ModeSelect(ModeSelect { form });
    let arriving = bytes.min(command.data_out_bytes);
    Ok(Task::new(Action::Collect(ParameterList { kind, bytes: arriving }), bytes))
}

/// Applies the parameter list of MODE SELECT, the whole of it or nothing. A changed WCE becomes an action, and takes
/// effect when that succeeds.
pub(crate) fn apply_select(
    server: &mut DeviceServer,
    nexus: NexusId,
    select: &ModeSelect,
    data: &[u8],
) -> Result<Action, Sense> {
    let wanted = parse_select(server, select.form, data)?;
    let current = server.mode;
    server.mode = ModeSettings { write_back: current.write_back, ..wanted };
    if server.mode != current {
        server.nexuses.establish_all(UnitAttention::ModeParametersChanged, Some(nexus));
    }
    if wanted.write_back == current.write_back {
        return Ok(Action::Respond(Response::good()));
    }
    Ok(Action::SetWriteBack { write_back: wanted.write_back })
}

/// The settings that the list asks for. Source: SPC-4 §7.5.
fn parse_select(server: &DeviceServer, form: Form, data: &[u8]) -> Result<ModeSettings, Sense> {
    let header = form.header_bytes();
    if data.len() < header {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    }
    let (descriptor_bytes, long) = match form {
        Form::Six => (usize::from(data[3]), false),
        Form::Ten => (usize::from(u16::from_be_bytes([data[6], data[7]])), data[4] & 1 != 0),
    };
    let pages_at = header + descriptor_bytes;
    let descriptor = data.get(header..pages_at).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    check_descriptor(&server.shape, long, descriptor, header)?;
    let mut wanted = server.mode;
    let mut at = pages_at;
    while at < data.len() {
        at += parse_page(server, data, at, &mut wanted)?;
    }
    Ok(wanted)
}

/// A block descriptor may only repeat what is so: the sector's size, and the capacity, all ones or zero for "as it is".
fn check_descriptor(shape: &Shape, long: bool, descriptor: &[u8], at: usize) -> Result<(), Sense> {
    let sectors = shape.sectors();
    let sectors_short = u64::from(u32::try_from(sectors).unwrap_or(u32::MAX));
    let (capacity_fits, sector) = match (long, descriptor) {
        (_, []) => return Ok(()),
        (false, [c0, c1, c2, c3, _, sector @ ..]) if sector.len() == 3 => {
            let capacity = u64::from(u32::from_be_bytes([*c0, *c1, *c2, *c3]));
            (capacity == 0 || capacity == sectors_short, sector)
        }
        (true, [capacity @ .., _, _, _, _, s0, s1, s2, s3]) if capacity.len() == 8 => {
            let capacity = u64::from_be_bytes(capacity.try_into().expect("eight bytes"));
            if *s0 != 0 {
                return Err(invalid_at(at + 12));
            }
            (capacity == 0 || capacity == u64::MAX || capacity == sectors, &[*s1, *s2, *s3][..])
        }
        _ => return Err(invalid_at(at - 1)),
    };
    if !capacity_fits {
        return Err(invalid_at(at));
    }
    if sector != &shape.sector().bytes().to_be_bytes()[1..] {
        return Err(invalid_at(at + descriptor.len() - 3));
    }
    Ok(())
}

/// Reads the page at `at` into `wanted` and returns its length.
fn parse_page(
    server: &DeviceServer,
    data: &[u8],
    at: usize,
    wanted: &mut ModeSettings,
) -> Result<usize, Sense> {
    let code = data[at] & 0x7f; // Without PS, which is reserved here; with SPF, of which we have none.
    let mask = ModeSettings::changeable(&server.shape);
    let (current, mask) = match code {
        CACHING => (server.mode.caching_page(), mask.caching_page()),
        CONTROL => (server.mode.control_page(false), mask.control_page(true)),
        _ => return Err(invalid_at(at)),
    };
    let page = data.get(at..at + current.len()).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    if page[1] != current[1] {
        return Err(invalid_at(at + 1));
    }
    for index in 2..page.len() {
        if (page[index] ^ current[index]) & !mask[index] != 0 {
            return Err(invalid_at(at + index));
        }
    }
    if code == CACHING {
        wanted.write_back = page[2] & WCE != 0;
    } else {
        wanted.descriptor_sense = page[2] & D_SENSE != 0;
        wanted.software_write_protect = page[4] & SWP != 0;
    }
    Ok(page.len())
}

fn invalid_at(byte: usize) -> Sense {
    Sense::invalid_parameter(u16::try_from(byte).unwrap_or(u16::MAX), None)
}
