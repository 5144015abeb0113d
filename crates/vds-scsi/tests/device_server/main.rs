//! The device server through its public face, one module per command family.
#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]
#![expect(clippy::unnecessary_wraps, reason = "expectations are compared with results")]
#![expect(clippy::needless_pass_by_value, reason = "expectations read better without a reference")]

mod attention;
mod data_in;
mod garbage;
mod mode;
mod outcome;
mod provisioning;
mod read_write;

use vds_scsi::{
    Action, Command, DeviceServer, Identity, Lun, NexusId, Response, Sector, Shape, Status, Task,
    WritePolicy,
};

/// One nexus that was never attached, so that no unit attention stands in the way.
const NEXUS: NexusId = NexusId(1);
/// Sectors of the LUN of [`server`].
const SECTORS: u64 = END as u64;
/// The same, as the first address past the end.
const END: u32 = 131_072;
/// The most one command moves there.
const TRANSFER_MAX: u32 = 1 << 20;
const UUID: [u8; 16] = [
    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x4d, 0xef, 0x80, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
];

/// Sense key, additional code and qualifier.
type Refused = (u8, u8, u8);

const INVALID_OPCODE: Refused = (5, 0x20, 0x00);
const OUT_OF_RANGE: Refused = (5, 0x21, 0x00);
const INVALID_FIELD: Refused = (5, 0x24, 0x00);
const NO_LUN: Refused = (5, 0x25, 0x00);
const INVALID_PARAMETER: Refused = (5, 0x26, 0x00);
const LIST_LENGTH: Refused = (5, 0x1a, 0x00);
const WRONG_DATA_OUT: Refused = (5, 0x0e, 0x03);
const WRITE_PROTECTED: Refused = (7, 0x27, 0x00);
const SOFTWARE_PROTECTED: Refused = (7, 0x27, 0x02);

fn policy(write_back: bool, read_only: bool) -> WritePolicy {
    WritePolicy { write_back, read_only }
}

fn shape(sector: Sector, policy: WritePolicy) -> Shape {
    let size_bytes = SECTORS * u64::from(sector.bytes());
    Shape::new(size_bytes, sector, TRANSFER_MAX, policy).unwrap()
}

fn server_of(shape: Shape) -> DeviceServer {
    DeviceServer::new(Identity::new(UUID, "VDS", "Virtual Disk", "0.1"), shape)
}

/// A write-back LUN of 64 MiB in 512-byte sectors.
fn server() -> DeviceServer {
    server_of(shape(Sector::Bytes512, policy(true, false)))
}

fn handle(server: &mut DeviceServer, cdb: &[u8], data_out_bytes: u64) -> Task {
    let luns = [Lun::new(0).unwrap(), Lun::new(7).unwrap()];
    server.handle(&Command { nexus: NEXUS, cdb, data_out_bytes, luns: &luns })
}

/// The three codes of fixed format sense data.
fn codes(response: &Response) -> Refused {
    assert_eq!(response.status, Status::CheckCondition);
    assert_eq!(response.sense.len(), 18, "fixed format");
    (response.sense[2], response.sense[12], response.sense[13])
}

/// What a command came to, refusals reduced to their codes.
fn came_to(action: Action) -> Result<Action, Refused> {
    match action {
        Action::Respond(response) if response.status == Status::CheckCondition => {
            Err(codes(&response))
        }
        other => Ok(other),
    }
}

fn good() -> Action {
    Action::Respond(Response::good())
}

/// The data-in of a command that needs no IO.
fn data_in(server: &mut DeviceServer, cdb: &[u8]) -> Result<Vec<u8>, Refused> {
    let task = handle(server, cdb, 0);
    match came_to(task.action)? {
        Action::Respond(response) => {
            assert_eq!(task.transfer_bytes, response.data_in.len() as u64);
            Ok(response.data_in)
        }
        other => panic!("{other:?} has no data-in of its own"),
    }
}

/// Sends a command with a parameter list.
fn send_list(server: &mut DeviceServer, cdb: &[u8], list: &[u8]) -> Result<Action, Refused> {
    match handle(server, cdb, list.len() as u64).action {
        Action::Collect(wanted) => came_to(server.data_out_arrived(NEXUS, &wanted, list)),
        other => came_to(other),
    }
}

fn cdb6(opcode: u8, lba: u32, length: u8) -> Vec<u8> {
    let [_, high, middle, low] = lba.to_be_bytes();
    vec![opcode, high, middle, low, length, 0]
}

fn cdb10(opcode: u8, flags: u8, lba: u32, length: u16) -> Vec<u8> {
    let mut cdb = vec![opcode, flags];
    cdb.extend(lba.to_be_bytes());
    cdb.push(0);
    cdb.extend(length.to_be_bytes());
    cdb.push(0);
    cdb
}

fn cdb12(opcode: u8, flags: u8, lba: u32, length: u32) -> Vec<u8> {
    let mut cdb = vec![opcode, flags];
    cdb.extend(lba.to_be_bytes());
    cdb.extend(length.to_be_bytes());
    cdb.extend([0; 2]);
    cdb
}

fn cdb16(opcode: u8, flags: u8, lba: u64, length: u32) -> Vec<u8> {
    let mut cdb = vec![opcode, flags];
    cdb.extend(lba.to_be_bytes());
    cdb.extend(length.to_be_bytes());
    cdb.extend([0; 2]);
    cdb
}
