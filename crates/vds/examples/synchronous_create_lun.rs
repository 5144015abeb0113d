//! Creates a LUN and waits for it: the flow of VDS's documented sample with its parameters by name, against an array in this very
//! program, or against a running service.
//!
//! ```text
//! cargo run -p vds --example synchronous_create_lun -- DIRECTORY [PARAMETER ...]     # an array of its own, on files in there
//! cargo run -p vds --example synchronous_create_lun -- --socket PATH [PARAMETER ...] # a running service
//! ```
//!
//! | parameter | in `CreateLun` | without it |
//! | --- | --- | --- |
//! | `--subsystem NAME` | the subsystem it is called on | the only one |
//! | `--type TYPE` | `type` | `mirror` |
//! | `--size SIZE` | `ullSizeInBytes` | 64 MiB |
//! | `--drive NAME`, once for each | `pDriveIdArray`, `lNumberOfDrives` | NULL and 0: the provider chooses |
//! | `--unmask LIST` | `pwszUnmaskingList` | one initiator |
//! | `--hint NAME[=VALUE]`, once for each | `pHints` | NULL |

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::{Args, Parser};
use vds_client::Client;
use vds_model::{Bytes, HResult, Hints, HintsError, LunId, LunType, UnmaskingList};
use vds_operation::{OperationError, Output};
use vds_provider::{CreateLun, NewDrive, Request, Wipe};
use vds_service::{Asker, Config, Service};

const MIB: u64 = 1 << 20;
/// Drives of the array in this program: `d1`, `d2`…
const DRIVES: usize = 4;

/// What `CreateLun` takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Parameters {
    /// In which subsystem, by name or id [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) subsystem: Option<String>,
    /// What it is to be; default, fault_tolerant and non_fault_tolerant leave the choice to the provider
    #[arg(long = "type", value_name = "TYPE", default_value = "mirror")]
    pub(crate) lun_type: LunType,
    /// The size wanted; the provider rounds it up
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    pub(crate) size: Bytes,
    /// A drive to use, by name, path or id; repeat it for more, in this order [default: the provider's choice]
    #[arg(long = "drive", value_name = "NAME")]
    pub(crate) drives: Vec<String>,
    /// Who sees it: initiators joined by semicolons, * for everybody, nothing for nobody
    #[arg(long = "unmask", value_name = "LIST", default_value = "iqn.2025-01.org.example:host")]
    pub(crate) unmasking_list: UnmaskingList,
    /// A wish, such as mostly_reads, write_cache=off or maximum_drive_count=4; repeat it for more
    #[arg(long = "hint", value_name = "NAME[=VALUE]")]
    pub(crate) hints: Vec<String>,
}

impl Parameters {
    /// The wishes as one structure; `None`, that is NULL, where there is none.
    fn hints(&self) -> Result<Option<Hints>, HintsError> {
        let mut hints = Hints::none();
        for text in &self.hints {
            hints.set_text(text)?;
        }
        Ok((!self.hints.is_empty()).then_some(hints))
    }

    /// The drives to use; `None`, that is NULL, where none is named.
    fn drives(&self) -> Option<&[String]> {
        (!self.drives.is_empty()).then_some(&self.drives)
    }
}

/// Creates a LUN, waits for it and prints its id.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Arguments {
    /// Where an array of the program's own is to be made
    #[arg(required_unless_present = "socket")]
    directory: Option<PathBuf>,
    /// The socket of a running service
    #[arg(long, value_name = "PATH", conflicts_with = "directory")]
    socket: Option<PathBuf>,
    #[command(flatten)]
    parameters: Parameters,
}

/// `SynchronousCreateLun`: starts, waits, looks at what came out.
///
/// # Errors
/// What was refused at the door, or what the work failed with: exactly one result comes back.
async fn synchronous_create_lun(
    service: &Service,
    parameters: &Parameters,
) -> Result<LunId, OperationError> {
    let registry = service.registry();
    let objects = registry.snapshot().await;
    let subsystem = objects.subsystem_or_only(parameters.subsystem.as_deref())?;
    let drive = |name: &String| objects.drive(name).map(|drive| drive.object.properties.id);
    let drives = parameters.drives().map(|names| names.iter().map(drive).collect::<Result<_, _>>());
    let hints = parameters
        .hints()
        .map_err(|error| OperationError::new(error.result(), error.to_string()))?;
    let create = CreateLun {
        drives: drives.transpose()?,
        unmasking_list: parameters.unmasking_list.clone(),
        hints,
        ..CreateLun::new(subsystem.object.properties.id, parameters.lun_type, parameters.size.0)
    };
    // Could it start? A refusal has no operation; a start without one was caught before it came here.
    let asker = Asker::service("the sample");
    let operation = registry.start(asker, subsystem.provider, Request::CreateLun(create)).await?;
    // Did the work succeed? Waiting cannot fail by itself here, and dropping this future would cancel nothing.
    match operation.await? {
        Output::CreateLun(lun) => Ok(lun),
        other => Err(OperationError::new(
            HResult::E_UNEXPECTED,
            format!("a LUN was to come out, not {other:?}"),
        )),
    }
}

/// The flow in one program: an array on files in `directory`, and a LUN on it.
///
/// # Errors
/// Whatever goes wrong.
async fn embedded(directory: &Path, parameters: &Parameters) -> Result<String, Box<dyn Error>> {
    let service = Service::start(Config::new(directory.join("service"))).await?;
    let mut drives = Vec::new();
    for number in 1..=DRIVES {
        let path = std::path::absolute(directory.join(format!("drive-{number}.img")))?;
        let path = path.to_string_lossy().into_owned();
        vds_os::create_drive_file(&path, 256 * MIB)?;
        drives.push(NewDrive { path, wipe: Wipe::No });
    }
    let registry = service.registry();
    let provider = registry.providers()[0].id();
    let make = Request::CreateSubsystem { name: "sample".into(), drives };
    registry.start(Asker::service("the sample"), provider, make).await?.await?;
    let lun = synchronous_create_lun(&service, parameters).await;
    service.shutdown().await;
    Ok(lun?.to_string())
}

/// The flow against a running service: the same parameters as the fields of a request.
///
/// # Errors
/// Whatever goes wrong.
async fn live(socket: &Path, parameters: &Parameters) -> Result<String, Box<dyn Error>> {
    let client = Client::new(socket);
    let body = vds_api::CreateLun {
        subsystem: parameters.subsystem.clone(),
        lun_type: Some(parameters.lun_type.to_string()),
        size_bytes: parameters.size.0,
        drives: parameters.drives().map(<[String]>::to_vec),
        unmasking_list: parameters.unmasking_list.to_string(),
        hints: parameters.hints()?.map(|hints| hints.texts()).unwrap_or_default(),
        ..vds_api::CreateLun::default()
    };
    let ended = client.create_lun(&body).await?.wait().await?;
    if let Some(error) = ended.error {
        return Err(error.message.into());
    }
    let lun = ended.output.and_then(|output| output.object).ok_or("no LUN came out")?;
    Ok(lun.id)
}

/// Has the LUN made where the arguments say, and gives its id.
///
/// # Errors
/// Whatever goes wrong.
pub(crate) async fn create(arguments: &Arguments) -> Result<String, Box<dyn Error>> {
    match (&arguments.directory, &arguments.socket) {
        (_, Some(socket)) => live(socket, &arguments.parameters).await,
        (Some(directory), None) => embedded(directory, &arguments.parameters).await,
        (None, None) => Err("say where: a directory, or --socket PATH".into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", create(&Arguments::parse()).await?);
    Ok(())
}
