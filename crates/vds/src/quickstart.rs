//! `vds` without a verb: a first array on four files, one mirrored LUN, and what to paste next. Found again at the next
//! start; whatever was changed meanwhile is left as it is.

use std::fmt::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use vds_api::{AddPortal, CreateLun, CreateSubsystem, Lun, NewDrive, Portal, TargetChoice};
use vds_client::{Client, ClientError, Pending};
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
    if !client.portals().await?.iter().any(is_listening) {
        add_portal(&client).await?;
    }
    let mut luns = client.luns().await?;
    if luns.is_empty() {
        complain(&format!("making the LUN {LUN_NAME}: {LUN}, mirrored\n"));
        let body = CreateLun {
            name: LUN_NAME.to_owned(),
            lun_type: Some("mirror".to_owned()),
            size_bytes: LUN.0,
            unmasking_list: "*".to_owned(),
            target: TargetChoice::New,
            ..CreateLun::default()
        };
        succeed(client.create_lun(&body).await?).await?;
        luns = client.luns().await?;
    }
    let drives = client.drives().await?.len();
    output::raw(&greeting(directory, socket, drives, &luns))
}

fn is_listening(portal: &Portal) -> bool {
    portal.status == "online"
}

/// A free port is taken where the usual one is not to be had.
async fn add_portal(client: &Client) -> Result<(), Failure> {
    let mut refusal = None;
    for listen in ADDRESSES {
        let body = AddPortal { listen: listen.to_owned(), ..AddPortal::default() };
        let is_taken = |result| result == HResult::VDSX_E_LISTEN_FAILED;
        match client.add_portal(&body).await {
            Ok(pending) => match succeed(pending).await {
                Err(failure) if is_taken(failure.result()) => refusal = Some(failure),
                other => return other,
            },
            Err(ClientError::Refused { body, status }) if is_taken(body.result()) => {
                refusal = Some(ClientError::Refused { body, status }.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    refusal.map_or(Ok(()), Err)
}

/// Waits for a good end, with a bar.
async fn succeed(pending: Pending) -> Result<(), Failure> {
    let operation = wait::with_bar(pending).await?;
    Failure::of_operation(&operation).map_or(Ok(()), Err)
}

/// What to paste, and where to go on.
fn greeting(directory: &Path, socket: &Path, drives: usize, luns: &[Lun]) -> String {
    let mut text = format!("\nThe array is ready: {drives} drives in {}.\n", directory.display());
    for lun in luns {
        let name = output::shown(&lun.name);
        let _ = writeln!(text, "\n  LUN {name}: {}, {}", lun.lun_type, size(lun.size_bytes));
        for url in lun.addresses.iter().flat_map(|address| &address.urls) {
            let _ = writeln!(text, "    {url}");
        }
    }
    let address = luns.iter().flat_map(|lun| &lun.addresses).find(|one| !one.urls.is_empty());
    if let Some(address) = address {
        let (url, portal) = (&address.urls[0], &address.portals[0]);
        let iqn = &address.iscsi_name;
        let _ = write!(
            text,
            "\nReach it (Debian: libiscsi-bin, qemu-utils with qemu-block-extra, open-iscsi):\n\
             \x20 iscsi-inq {url}\n\
             \x20 qemu-img info {url}\n\
             \x20 iscsiadm -m discovery -t sendtargets -p {portal} && iscsiadm -m node -T {iqn} -p {portal} --login\n"
        );
    }
    let vds = std::env::args().next().unwrap_or_else(|| "vds".to_owned());
    let _ = write!(
        text,
        "\nTry next, in another terminal:\n\
         \x20 export VDS_SOCKET={}\n\
         \x20 {vds} status\n\
         \x20 {vds} lun create second --type stripe --size 500MiB --plan\n\
         \x20 {vds} --help\n\
         \nOnly this machine reaches it. Ctrl-C stops it; the next start finds everything again.\n",
        socket.display()
    );
    text
}
