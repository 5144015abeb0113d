//! Bytes that no initiator would send, to the portal of a daemon that goes on serving others.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use vds_blackbox::{Daemon, Initiator, wait_until};
use vds_sim::Chance;

use crate::scene::array;

const HOST: &str = "iqn.2025-01.org.example:host";
const CONNECTIONS: u64 = 1000;
/// The tag that none has.
const NO_TAG: u32 = u32::MAX;
/// How long a connection may stay open after garbage on which nothing can follow.
const CLOSE_MAX: Duration = Duration::from_secs(30);

/// A login request as it begins: what is broken of it is broken further on.
fn login(chance: &Chance) -> Vec<u8> {
    let text = format!(
        "InitiatorName={HOST}\0SessionType=Normal\0TargetName=iqn.2025-01.org.example:t\0AuthMethod=None\0"
    );
    let mut bytes = vec![0; 48];
    (bytes[0], bytes[1]) = (0x43, *chance.pick(&[0x81, 0x87, 0x04, 0x40]));
    let length = u32::try_from(text.len()).unwrap();
    bytes[4..8].copy_from_slice(&length.to_be_bytes());
    bytes[8] = 0x80;
    bytes[19] = 1;
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A PDU with the shape of one: its length is right, what it asks for is anything.
fn pdu(chance: &Chance) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..48).map(|_| chance.mask()).collect();
    bytes[0] = u8::try_from(chance.below(0x40)).unwrap() | u8::from(chance.one_in(2)) << 6;
    let length = u16::try_from(chance.below(600)).unwrap();
    (bytes[4], bytes[5]) = (0, 0);
    bytes[6..8].copy_from_slice(&length.to_be_bytes());
    if chance.one_in(2) {
        // The first logical unit, and the first numbers.
        bytes[8..16].fill(0);
        bytes[24..28].copy_from_slice(&2_u32.to_be_bytes());
    }
    bytes.extend((0..length.next_multiple_of(4)).map(|_| chance.mask()));
    bytes
}

/// Something to send.
fn garbage(chance: &Chance) -> Vec<u8> {
    let mut bytes = match chance.below(3) {
        0 => (0..chance.between(1, 4096)).map(|_| chance.mask()).collect(),
        1 => login(chance),
        _ => [login(chance), login(chance)].concat(),
    };
    for _ in 0..chance.below(8) {
        let at = chance.index(bytes.len());
        bytes[at] ^= chance.mask();
    }
    if chance.one_in(3) {
        bytes.truncate(chance.index(bytes.len()) + 1);
    }
    bytes
}

/// Sends it, says that nothing more comes, and reads until the daemon hangs up.
fn throw(portal: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(portal).unwrap();
    stream.set_read_timeout(Some(CLOSE_MAX)).unwrap();
    // The daemon may hang up at any byte.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let started = Instant::now();
    let mut answer = [0; 4096];
    loop {
        match stream.read(&mut answer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("open for {:?} after {bytes:02x?}", started.elapsed())
            }
            Ok(0) | Err(_) => return,
            Ok(_) => assert!(started.elapsed() < CLOSE_MAX, "it talks on after {bytes:02x?}"),
        }
    }
}

fn portal_of(daemon: &Daemon) -> (String, String) {
    let create = ["lun", "create", "a", "--type", "mirror", "--size", "16MiB", "--unmask", HOST];
    daemon.verb(&create).unwrap();
    let url = daemon.url("a").unwrap();
    let portal = url.trim_start_matches("iscsi://").split('/').next().unwrap().to_owned();
    (url, portal)
}

#[test]
fn garbage_ends_its_connection_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (mut daemon, _) = array(folder.path(), 2, 1 << 30);
    let (url, portal) = portal_of(&daemon);
    let mut bystander = Initiator::open(&url, HOST).unwrap();
    let chance = Chance::new(7);
    for number in 0..CONNECTIONS {
        throw(&portal, &garbage(&chance));
        // A session amid commands gets its share too: the stream breaks off within a PDU, or goes on as nonsense.
        if number % 4 == 0 {
            let mut initiator = Initiator::open(&url, HOST).unwrap();
            let mut bytes: Vec<u8> = (0..chance.below(4)).flat_map(|_| pdu(&chance)).collect();
            bytes.extend(garbage(&chance));
            // The daemon may hang up at any byte.
            let _ = initiator.send_raw(&bytes);
        }
        let data: Vec<u8> = number.to_be_bytes().into_iter().cycle().take(512).collect();
        let answer = bystander.write(number, &data, 512).unwrap();
        assert!(answer.is_good(), "{answer:?}");
        let answer = bystander.read(number, 1, 512).unwrap();
        assert!(answer.is_good() && answer.data == data, "{answer:?}");
        daemon.ensure_alive().unwrap();
    }
    drop(bystander);
    wait_until("all sessions are gone", || {
        let sessions = daemon.json(&["session", "list"])?;
        Ok(sessions["items"].as_array().unwrap().is_empty().then_some(()))
    })
    .unwrap();
    daemon.stop().unwrap();
}

/// A PDU's first 48 bytes: what it is and its flags, then what is set beside zeros.
fn header(opcode: u8, flags: u8, fields: &[(usize, u32)]) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    (bytes[0], bytes[1]) = (opcode, flags);
    for (at, value) in fields {
        bytes[*at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
    bytes
}

/// A logged-in session that sends what cannot be is ended by the daemon, not by us.
#[test]
fn what_cannot_be_ends_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let (mut daemon, _) = array(folder.path(), 2, 1 << 30);
    let (url, _) = portal_of(&daemon);
    let mut bystander = Initiator::open(&url, HOST).unwrap();
    let cases = [
        ("a data segment larger than agreed", header(0x00, 0x80, &[(4, 0x00ff_ffff), (16, 1)])),
        ("a login in the full-feature phase", header(0x43, 0x87, &[])),
        ("a command without a tag", header(0x41, 0xc0, &[(16, NO_TAG)])),
    ];
    for (what, bytes) in cases {
        let mut initiator = Initiator::open(&url, HOST).unwrap();
        initiator.send_raw(&bytes).unwrap_or_else(|error| panic!("{what}: {error:#}"));
        initiator.wait_for_end().unwrap_or_else(|error| panic!("{what}: {error:#}"));
        assert!(bystander.read(0, 1, 512).unwrap().is_good(), "{what}");
        daemon.ensure_alive().unwrap();
    }
    daemon.stop().unwrap();
}
