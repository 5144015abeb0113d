//! An array on three drive files, with a portal on the loopback and a LUN that everybody may use.

use std::net::{Ipv4Addr, SocketAddr};

use vds_api::{Drive, Lun, Portal, Subsystem};
use vds_model::{LunType, UnmaskingList};
use vds_operation::Output;
use vds_provider::{CreateLun, NewDrive, Request, Wipe};
use vds_service::Service;

use crate::{http, run};

pub(crate) const MIB: u64 = 1 << 20;

/// What there is, as clients see it.
pub(crate) struct Seen {
    pub(crate) subsystem: Subsystem,
    pub(crate) drives: Vec<Drive>,
    pub(crate) portals: Vec<Portal>,
    pub(crate) luns: Vec<Lun>,
}

pub(crate) async fn make(service: &Service) -> Seen {
    let directory = service.socket().unwrap().parent().unwrap();
    let mut drives = Vec::new();
    for number in 1..=3 {
        let path = directory.join(format!("drive{number}.img")).display().to_string();
        vds_os::create_drive_file(&path, 256 * MIB).unwrap();
        drives.push(NewDrive { path, wipe: Wipe::No });
    }
    let request = Request::CreateSubsystem { name: "main".to_owned(), drives };
    let Ok(Output::MakeArray(subsystem)) = run(service, request).await else { panic!("an array") };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    run(service, Request::AddPortal { subsystem, listen, announce: None }).await.unwrap();
    let mut create = CreateLun::new(subsystem, LunType::Mirror, 64 * MIB);
    "first".clone_into(&mut create.name);
    create.unmasking_list = UnmaskingList::Everybody;
    run(service, Request::CreateLun(create)).await.unwrap();
    look(service).await
}

pub(crate) async fn look(service: &Service) -> Seen {
    let rest = http::Client::new(service.socket().unwrap());
    let list = async |path: &str| rest.get(path).await.body["items"].clone();
    let mut subsystems: Vec<Subsystem> =
        serde_json::from_value(list("/v1/subsystems").await).unwrap();
    Seen {
        subsystem: subsystems.remove(0),
        drives: serde_json::from_value(list("/v1/drives").await).unwrap(),
        portals: serde_json::from_value(list("/v1/portals").await).unwrap(),
        luns: serde_json::from_value(list("/v1/luns").await).unwrap(),
    }
}
