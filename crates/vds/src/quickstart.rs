//! `vds` without a verb: a first array on four files, one mirrored LUN, and what to paste next. Found again at the next
//! start; whatever was changed meanwhile is left as it is.

use std::fmt::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use vds_api::{
    AddPortal, CreateLun, CreateSubsystem, Lun, NewDrive, Operation, Portal, TargetChoice,
};
use vds_client::{Client, Pending};
use vds_model::{Bytes, HResult};

use crate::failure::{Failure, complain};
use crate::output::{self, size};
use crate::wait;

/// How many drive files there are.
const DRIVES: u64 = 4;
/// How large each of them is.
const DRIVE: Bytes = Bytes(2 << 30);
/// How large the LUN is.
const LUN: Bytes = Bytes(1 << 30);
const ARRAY_NAME: &str = "quickstart";
const LUN_NAME: &str = "demo";
/// Where the portal listens: this machine only, on iSCSI's port if that is free.
const ADDRESSES: [&str; 2] = ["127.0.0.1:3260", "127.0.0.1:0"];

/// The paths of the drive files; those that are not there yet are made, sparse.
///
/// # Errors
/// [`Failure::Input`] when a file cannot be made; those before it are left.
pub(crate) fn drive_files(directory: &Path) -> Result<Vec<String>, Failure> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Failure::Input { path, source }
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(directory).map_err(failed(directory))?;
    let directory = std::path::absolute(directory).map_err(failed(directory))?;
    let mut paths = Vec::new();
    for number in 1..=DRIVES {
        let path: PathBuf = directory.join(format!("drive-{number}.img"));
        let mut options = std::fs::OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => file.set_len(DRIVE.0).map_err(failed(&path))?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path)(error)),
        }
        let text = path.into_os_string().into_string();
        paths.push(text.map_err(|path| Failure::Usage {
            message: format!("{} is no text in UTF-8", path.display()),
        })?);
    }
    Ok(paths)
}

/// Makes what is not there yet and prints how to go on.
///
/// # Errors
/// Of the service; what was made is left and found at the next start.
pub(crate) async fn prepare(directory: &Path, socket: &Path) -> Result<(), Failure> {
    let client = Client::new(socket);
    if client.subsystems().await?.is_empty() {
        complain(&format!(
            "making the array {ARRAY_NAME} on {DRIVES} files of {DRIVE} in {}\n",
            directory.display()
        ));
        let drives = drive_files(directory)?
            .into_iter()
            .map(|path| NewDrive { path, ..NewDrive::default() })
            .collect();
        let name = ARRAY_NAME.to_owned();
        let body = CreateSubsystem { name, drives, provider: None };
        succeed(client.create_subsystem(&body).await?).await?;
    }
    let mut listening = listening(&client).await?;
    if listening.is_empty() {
        listening = add_portal(&client).await?;
    }
    let mut luns = client.luns().await?;
    if luns.is_empty() {
        complain(&format!("making the LUN {LUN_NAME}: {LUN}, mirrored\n"));
        let body = CreateLun {
            name: LUN_NAME.to_owned(),
            lun_type: Some("mirror".to_owned()),
            size_bytes: LUN.0,
            unmasking_list: "*".to_owned(),
            target: Some(TargetChoice::New),
            ..CreateLun::default()
        };
        succeed(client.create_lun(&body).await?).await?;
        luns = client.luns().await?;
    }
    let drives = client.drives().await?.len();
    output::raw(&greeting(directory, socket, drives, &luns, &listening))
}

/// The portals through which initiators find the array now.
async fn listening(client: &Client) -> Result<Vec<Portal>, Failure> {
    let portals = client.portals().await?.into_iter();
    Ok(portals.filter(|portal| portal.status == "online").collect())
}

/// Where initiators are told to go.
fn announced(portal: &Portal) -> &str {
    portal.announce.as_ref().unwrap_or(&portal.listen)
}

/// Where it listens, and what initiators are told if that is something else.
fn listens_on(listening: &[Portal]) -> String {
    if listening.is_empty() {
        return "nothing".to_owned();
    }
    let each = listening.iter().map(|portal| match &portal.announce {
        Some(announce) => format!("{} (announced as {announce})", portal.listen),
        None => portal.listen.clone(),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Adds a portal that listens; a free port is taken where the usual one is not to be had.
async fn add_portal(client: &Client) -> Result<Vec<Portal>, Failure> {
    for listen in ADDRESSES {
        let body = AddPortal { listen: listen.to_owned(), ..AddPortal::default() };
        let added = async { succeed(client.add_portal(&body).await?).await };
        let operation = match added.await {
            // Somebody else listens there.
            Err(failure) if failure.result() == HResult::VDSX_E_LISTEN_FAILED => continue,
            ended => ended?,
        };
        let listening = listening(client).await?;
        if !listening.is_empty() {
            return Ok(listening);
        }
        if let Some(id) = operation.made("portal") {
            succeed(client.remove_portal(id).await?).await?;
        }
    }
    Ok(Vec::new())
}

/// Waits for a good end, with a bar.
async fn succeed(pending: Pending) -> Result<Operation, Failure> {
    let operation = wait::with_bar(pending).await?;
    Failure::of_operation(&operation).map_or(Ok(operation), Err)
}

/// What to paste, and where to go on.
fn greeting(
    directory: &Path,
    socket: &Path,
    drives: usize,
    luns: &[Lun],
    listening: &[Portal],
) -> String {
    let mut text = format!("\nThe array is ready: {drives} drives in {}.\n", directory.display());
    let mut first: Option<Reach<'_>> = None;
    for lun in luns {
        let name = output::shown(&lun.name);
        let _ = writeln!(text, "\n  LUN {name}: {}, {}", lun.lun_type, size(lun.size_bytes));
        for reach in reaches(lun, listening) {
            let _ = writeln!(text, "    {}", reach.url);
            first.get_or_insert(reach);
        }
    }
    match first {
        Some(Reach { url, portal, iqn }) => {
            let _ = write!(
                text,
                "\nReach it (Debian: libiscsi-bin, qemu-utils with qemu-block-extra, open-iscsi):\n\
                 \x20 iscsi-inq {url}\n\
                 \x20 qemu-img info {url}\n\
                 \x20 iscsiadm -m discovery -t sendtargets -p {portal} && \
                 iscsiadm -m node -T {iqn} -p {portal} --login\n"
            );
        }
        None => text.push_str("\nNo host reaches a LUN now: see `vds portal list`.\n"),
    }
    let vds = std::env::args().next().unwrap_or_else(|| "vds".to_owned());
    let _ = write!(
        text,
        "\nTry next, in another terminal:\n\
         \x20 export VDS_SOCKET={}\n\
         \x20 {vds} status\n\
         \x20 {vds} lun create second --type stripe --size 500MiB --plan\n\
         \x20 {vds} --help\n\
         \nIt listens on {}. Ctrl-C stops it; the next start finds everything again.\n",
        socket.display(),
        listens_on(listening)
    );
    text
}

/// One way to a LUN.
struct Reach<'a> {
    url: &'a str,
    portal: &'a str,
    iqn: &'a str,
}

/// The ways to a LUN through portals that listen.
fn reaches<'a>(lun: &'a Lun, listening: &'a [Portal]) -> impl Iterator<Item = Reach<'a>> {
    lun.addresses.iter().flat_map(move |address| {
        let ways = address.urls.iter().zip(&address.portals);
        let listens = |at: &str| listening.iter().any(|portal| announced(portal) == at);
        ways.filter(move |(_, portal)| listens(portal)).map(|(url, portal)| Reach {
            url,
            portal,
            iqn: &address.iscsi_name,
        })
    })
}
