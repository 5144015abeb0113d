//! Creates a LUN and waits for it: the flow of VDS's documented sample with its parameters by name, against an array in this very
//! program, or against a running service.
//!
//! ```text
//! cargo run -p vds --example synchronous_create_lun -- DIRECTORY     # an array of its own, on files in there
//! cargo run -p vds --example synchronous_create_lun -- --socket PATH # a running service
//! ```

use std::error::Error;
use std::path::Path;

use vds_client::Client;
use vds_model::{DriveId, HResult, Hints, LunId, LunType, SubsystemId, UnmaskingList};
use vds_operation::{OperationError, Output};
use vds_provider::{CreateLun, NewDrive, Request, Wipe};
use vds_service::{Asker, Config, Service};

const MIB: u64 = 1 << 20;

/// `SynchronousCreateLun`: starts, waits, looks at what came out.
///
/// # Errors
/// What was refused at the door, or what the work failed with: exactly one result comes back.
async fn synchronous_create_lun(
    service: &Service,
    subsystem: SubsystemId,
    lun_type: LunType,
    size_bytes: u64,
    drives: Option<Vec<DriveId>>,
    unmasking_list: UnmaskingList,
    hints: Option<Hints>,
) -> Result<LunId, OperationError> {
    let registry = service.registry();
    let create = CreateLun {
        drives,
        unmasking_list,
        hints,
        ..CreateLun::new(subsystem, lun_type, size_bytes)
    };
    let provider = registry.providers()[0].id();
    // Could it start? A refusal has no operation; a start without one was caught before it came here.
    let operation =
        registry.start(Asker::service("the sample"), provider, Request::CreateLun(create)).await?;
    // Did the work succeed? Waiting cannot fail by itself here, and dropping this future would cancel nothing.
    match operation.await? {
        Output::CreateLun(lun) => Ok(lun),
        other => Err(OperationError::new(
            HResult::E_UNEXPECTED,
            format!("a LUN was to come out, not {other:?}"),
        )),
    }
}

/// The flow in one program: an array on two files in `directory`, and a LUN on it.
///
/// # Errors
/// Whatever goes wrong.
pub(crate) async fn embedded(directory: &Path) -> Result<LunId, Box<dyn Error>> {
    let service = Service::start(Config::new(directory.join("service"))).await?;
    let mut drives = Vec::new();
    for number in 1..=2 {
        let path = std::path::absolute(directory.join(format!("drive-{number}.img")))?;
        let path = path.to_string_lossy().into_owned();
        vds_os::create_drive_file(&path, 256 * MIB)?;
        drives.push(NewDrive { path, wipe: Wipe::No });
    }
    let registry = service.registry();
    let provider = registry.providers()[0].id();
    let make = Request::CreateSubsystem { name: "sample".into(), drives };
    registry.start(Asker::service("the sample"), provider, make).await?.await?;
    let view = registry.providers()[0].view().await?;
    let subsystem = view.subsystems[0].properties.id;
    let lun = synchronous_create_lun(
        &service,
        subsystem,
        LunType::Mirror,
        64 * MIB,
        None,
        UnmaskingList::parse("iqn.2025-01.org.example:host")?,
        None,
    )
    .await?;
    service.shutdown().await;
    Ok(lun)
}

/// The flow against a running service.
///
/// # Errors
/// Whatever goes wrong.
pub(crate) async fn live(socket: &Path) -> Result<String, Box<dyn Error>> {
    let client = Client::new(socket);
    let body = vds_api::CreateLun {
        lun_type: Some("mirror".into()),
        size_bytes: 64 * MIB,
        unmasking_list: "iqn.2025-01.org.example:host".into(),
        ..vds_api::CreateLun::default()
    };
    let ended = client.create_lun(&body).await?.wait().await?;
    if let Some(error) = ended.error {
        return Err(error.message.into());
    }
    let lun = ended.output.and_then(|output| output.object).ok_or("no LUN came out")?;
    Ok(lun.id)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--socket", path] => println!("{}", live(Path::new(path)).await?),
        [directory] => println!("{}", embedded(Path::new(directory)).await?),
        _ => return Err("usage: synchronous_create_lun DIRECTORY | --socket PATH".into()),
    }
    Ok(())
}
