//! What clients ask for, as requests to a provider: names become ids, texts become types.

use std::net::SocketAddr;

use vds_api as api;
use vds_model::{
    ChapSecret, DriveId, HResult, Hints, IscsiName, LunStatus, LunType, PortalId, ProviderId,
    TargetId, UnmaskingList,
};
use vds_provider::{
    Caching, Chap, ChapCredential, ChapSecretChange, ChapSide, CreateLun, LunView, MaxSizeQuery,
    NewDrive, PortalGroupView, Provisioning, Refusal, Request, SectorSize, SubsystemView,
    TargetChoice, TargetView, Wipe,
};

use super::view::is_loopback;
use crate::lookup::{Found, Snapshot};

/// A request with the provider it goes to.
type Asked = (ProviderId, Request);

/// One change of a LUN.
pub(super) enum LunChange {
    Mask(UnmaskingList),
    MaskEntries { add: UnmaskingList, remove: UnmaskingList },
    Name(String),
    Caching(Caching),
    Status(LunStatus),
    Hints(Hints),
    Target(api::TargetChoice),
}

fn invalid(result: HResult, message: impl Into<String>) -> Refusal {
    Refusal::new(result, message)
}

fn caching(caching: api::Caching) -> Caching {
    match caching {
        api::Caching::WriteBack => Caching::WriteBack,
        api::Caching::WriteThrough => Caching::WriteThrough,
    }
}

fn lun_type(label: Option<&str>) -> Result<LunType, Refusal> {
    let Some(label) = label else { return Ok(LunType::Default) };
    label.parse().map_err(|error: vds_model::LabelError| {
        invalid(HResult::VDSX_E_BAD_TYPE, error.to_string())
    })
}

fn hints(texts: &[String]) -> Result<Hints, Refusal> {
    let mut hints = Hints::none();
    for text in texts {
        hints.set_text(text).map_err(|error| invalid(error.result(), with_sources(&error)))?;
    }
    Ok(hints)
}

fn hints_option(texts: &[String]) -> Result<Option<Hints>, Refusal> {
    if texts.is_empty() { Ok(None) } else { hints(texts).map(Some) }
}

fn mask(text: &str) -> Result<UnmaskingList, Refusal> {
    UnmaskingList::parse(text).map_err(|error| invalid(error.result(), with_sources(&error)))
}

/// An error with what lies behind it, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn address(text: &str) -> Result<SocketAddr, Refusal> {
    text.parse().map_err(|_| {
        let message = format!("{text:?} is no address with a port");
        invalid(HResult::VDSX_E_MALFORMED, message)
            .with_hint("Write for instance 10.0.0.5:3260 or [::1]:3260.")
    })
}

fn sector_size(bytes: Option<u32>) -> Result<SectorSize, Refusal> {
    match bytes {
        None | Some(512) => Ok(SectorSize::Bytes512),
        Some(4096) => Ok(SectorSize::Bytes4096),
        Some(other) => {
            let message = format!("sectors have 512 or 4096 bytes, not {other}");
            Err(invalid(HResult::VDSX_E_SECTOR_SIZE, message))
        }
    }
}

fn secret(bytes: &[u8]) -> Result<ChapSecret, Refusal> {
    ChapSecret::new(bytes).map_err(|error| invalid(error.result(), error.to_string()))
}

fn credential(credential: &api::ChapCredential) -> Result<ChapCredential, Refusal> {
    let secret = secret(credential.secret.as_bytes())?;
    Ok(ChapCredential { user: credential.user.clone(), secret })
}

fn new_drive(drive: &api::NewDrive) -> Result<NewDrive, Refusal> {
    if !drive.path.starts_with('/') {
        let message = format!("the path {:?} is not absolute", drive.path);
        return Err(invalid(HResult::VDSX_E_BAD_DRIVE_LIST, message)
            .with_hint("Write the path from the root: the service has a directory of its own."));
    }
    let wipe = if drive.wipe { Wipe::Yes { serial: drive.serial.clone() } } else { Wipe::No };
    Ok(NewDrive { path: drive.path.clone(), wipe })
}

impl Snapshot {
    /// The drives called so, in their order, all of one subsystem's provider.
    pub(crate) fn drives(
        &self,
        of: ProviderId,
        names: Option<&Vec<String>>,
    ) -> Result<Option<Vec<DriveId>>, Refusal> {
        let Some(names) = names else { return Ok(None) };
        let mut ids = Vec::new();
        for name in names {
            let found = self.drive(name)?;
            if found.provider != of {
                let message = format!("drive {name:?} belongs to another provider");
                return Err(invalid(HResult::VDSX_E_BAD_DRIVE_LIST, message));
            }
            ids.push(found.object.properties.id);
        }
        Ok(Some(ids))
    }

    /// A LUN for everybody beyond this machine is refused unless confirmed.
    fn check_exposure(
        found: &Found<'_, impl Sized>,
        subsystem: vds_model::SubsystemId,
        list: &UnmaskingList,
        is_confirmed: bool,
    ) -> Result<(), Refusal> {
        if is_confirmed || *list != UnmaskingList::Everybody {
            return Ok(());
        }
        let exposed = found.view.portals.iter().find(|portal| {
            portal.subsystem == subsystem && !is_loopback(&portal.properties.address.host)
        });
        match exposed {
            None => Ok(()),
            Some(portal) => Err(invalid(
                HResult::VDSX_E_PORTAL_EXPOSED,
                format!(
                    "the list * would open the LUN to every initiator that reaches {}",
                    portal.properties.address
                ),
            )),
        }
    }

    /// The subsystem that a LUN is to be in: named itself, by a pool of it, or the only one.
    fn home(
        &self,
        subsystem: Option<&str>,
        pool: Option<&str>,
    ) -> Result<Found<'_, &SubsystemView>, Refusal> {
        let Some(name) = pool else { return self.subsystem_or_only(subsystem) };
        let pool = self.pool(name)?;
        // By its id: where there is a pool, its subsystem is.
        let home = self.subsystem(&pool.object.subsystem.to_string())?;
        let array = &home.object.properties.friendly_name;
        if let Some(other) = subsystem {
            let other = self.subsystem(other)?.object;
            if other.properties.id != home.object.properties.id {
                let message = format!(
                    "pool {name:?} is of {array}, not of {}",
                    other.properties.friendly_name
                );
                return Err(invalid(HResult::E_INVALIDARG, message)
                    .with_hint("Name the pool or the subsystem, or both of one array."));
            }
        }
        if home.view.pools_of(home.object).len() > 1 {
            let message = format!(
                "{array} has several pools, and its provider cannot be told in which one a LUN is to be"
            );
            return Err(invalid(HResult::VDS_E_NOT_SUPPORTED, message)
                .with_hint("Name no pool: the provider chooses. Or name drives."));
        }
        Ok(home)
    }

    /// Make a LUN.
    pub(crate) fn create_lun(&self, body: &api::CreateLun) -> Result<Asked, Refusal> {
        let found = self.home(body.subsystem.as_deref(), body.pool.as_deref())?;
        let subsystem = found.object.properties.id;
        let unmasking_list = mask(&body.unmasking_list)?;
        Self::check_exposure(&found, subsystem, &unmasking_list, body.confirm_exposed)?;
        let target = match &body.target {
            None if !found.object.makes_targets => TargetChoice::None,
            Some(api::TargetChoice::None) => TargetChoice::None,
            None | Some(api::TargetChoice::New) => TargetChoice::New,
            Some(api::TargetChoice::Named(iqn)) => TargetChoice::Named(iqn.clone()),
            Some(api::TargetChoice::Existing(name)) => {
                TargetChoice::Existing(self.target(name)?.object.properties.id)
            }
        };
        let create = CreateLun {
            subsystem,
            name: body.name.clone(),
            lun_type: lun_type(body.lun_type.as_deref())?,
            size_bytes: body.size_bytes,
            drives: self.drives(found.provider, body.drives.as_ref())?,
            unmasking_list,
            hints: hints_option(&body.hints)?,
            copies: body.copies,
            columns: body.columns,
            provisioning: match body.provisioning {
                api::Provisioning::Thick => Provisioning::Thick,
                api::Provisioning::Thin => Provisioning::Thin,
            },
            sector_size: sector_size(body.sector_bytes)?,
            caching: caching(body.caching),
            target,
        };
        Ok((found.provider, Request::CreateLun(create)))
    }

    /// How large a LUN could be made.
    pub(crate) fn max_size(
        &self,
        body: &api::MaxSizeQuery,
    ) -> Result<(ProviderId, MaxSizeQuery), Refusal> {
        let found = self.home(body.subsystem.as_deref(), body.pool.as_deref())?;
        let query = MaxSizeQuery {
            subsystem: found.object.properties.id,
            lun_type: lun_type(body.lun_type.as_deref())?,
            drives: self.drives(found.provider, body.drives.as_ref())?,
            hints: hints_option(&body.hints)?,
            copies: body.copies,
            columns: body.columns,
        };
        Ok((found.provider, query))
    }

    /// Change a LUN in one way.
    pub(crate) fn change_lun(&self, name: &str, body: &api::ChangeLun) -> Result<Asked, Refusal> {
        let found = self.lun(name)?;
        let lun = found.object.properties.id;
        let request = match lun_change(body)? {
            LunChange::Mask(unmasking_list) => {
                let subsystem = found.object.subsystem;
                Self::check_exposure(&found, subsystem, &unmasking_list, body.confirm_exposed)?;
                Request::SetLunMask { lun, unmasking_list }
            }
            LunChange::MaskEntries { add, remove } => {
                let subsystem = found.object.subsystem;
                Self::check_exposure(&found, subsystem, &add, body.confirm_exposed)?;
                Request::ChangeLunMask { lun, add, remove }
            }
            LunChange::Name(name) => Request::SetLunName { lun, name },
            LunChange::Caching(caching) => Request::SetLunCaching { lun, caching },
            LunChange::Status(status) => Request::SetLunStatus { lun, status },
            LunChange::Hints(hints) => Request::ApplyLunHints { lun, hints },
            LunChange::Target(choice) => {
                let target = match &choice {
                    api::TargetChoice::None => None,
                    api::TargetChoice::Existing(name) => {
                        Some(self.target_beside(found.object, name)?)
                    }
                    api::TargetChoice::New | api::TargetChoice::Named(_) => {
                        let message = "a LUN is put behind a target that exists, or behind none";
                        return Err(invalid(HResult::VDSX_E_MALFORMED, message)
                            .with_hint("Make the target first: vds target create NAME"));
                    }
                };
                Request::SetLunTarget { lun, target }
            }
        };
        Ok((found.provider, request))
    }

    /// A target of the array that a LUN is in.
    fn target_beside(&self, lun: &LunView, name: &str) -> Result<TargetId, Refusal> {
        let target = self.target(name)?.object;
        if target.subsystem != lun.subsystem {
            let message = format!(
                "target {} is of another array than LUN {:?}",
                target.properties.iscsi_name, lun.properties.friendly_name
            );
            return Err(invalid(HResult::E_INVALIDARG, message)
                .with_hint("Name a target of the LUN's own array: vds target list"));
        }
        Ok(target.properties.id)
    }

    /// Make a LUN larger.
    pub(crate) fn extend_lun(&self, name: &str, body: &api::ExtendLun) -> Result<Asked, Refusal> {
        let found = self.lun(name)?;
        let drives = self.drives(found.provider, body.drives.as_ref())?;
        let lun = found.object.properties.id;
        Ok((found.provider, Request::ExtendLun { lun, by_bytes: body.by_bytes, drives }))
    }

    /// Add a copy to a LUN.
    pub(crate) fn add_plex(&self, name: &str, body: &api::AddPlex) -> Result<Asked, Refusal> {
        let found = self.lun(name)?;
        if let Some(other) = &body.absorb {
            if body.drives.is_some() {
                let message = "a copy is put on drives or in the place of a LUN, not both";
                return Err(invalid(HResult::E_INVALIDARG, message.to_owned()));
            }
            let other = self.lun(other)?.object.properties.id;
            return Ok((
                found.provider,
                Request::AbsorbLun { lun: found.object.properties.id, other },
            ));
        }
        let drives = self.drives(found.provider, body.drives.as_ref())?;
        Ok((found.provider, Request::AddPlex { lun: found.object.properties.id, drives }))
    }

    /// Make a target.
    pub(crate) fn create_target(&self, body: &api::CreateTarget) -> Result<Asked, Refusal> {
        let found = self.subsystem_or_only(body.subsystem.as_deref())?;
        let request = Request::CreateTarget {
            subsystem: found.object.properties.id,
            iqn: body.iscsi_name.clone(),
            name: body.name.clone(),
        };
        Ok((found.provider, request))
    }

    /// Set or take away a target's secrets.
    pub(crate) fn set_chap(&self, name: &str, body: &api::SetTargetChap) -> Result<Asked, Refusal> {
        let found = self.target(name)?;
        let chap = match &body.chap {
            None => None,
            Some(chap) => Some(Chap {
                initiator: credential(&chap.initiator)?,
                target: chap.target.as_ref().map(credential).transpose()?,
            }),
        };
        let target = found.object.properties.id;
        Ok((found.provider, Request::SetTargetChap { target, chap }))
    }

    /// Set or take away one secret of a target.
    pub(crate) fn set_secret(
        &self,
        name: &str,
        body: &api::SetTargetSecret,
    ) -> Result<Asked, Refusal> {
        let found = self.target(name)?;
        let initiator = body.initiator.as_deref().map(IscsiName::parse).transpose();
        let initiator = initiator.map_err(|error| {
            let name = body.initiator.as_deref().unwrap_or_default();
            let message = format!("{name:?} is no iSCSI name: {error}");
            invalid(HResult::VDSX_E_MALFORMED, message)
        })?;
        let side = match body.side {
            api::ChapSide::Initiator => ChapSide::Initiator,
            api::ChapSide::Target => ChapSide::Target,
        };
        let secret = body.secret.as_deref().map(secret).transpose()?;
        let target = found.object.properties.id;
        let change = ChapSecretChange { side, initiator, secret };
        Ok((found.provider, Request::SetTargetSecret { target, change }))
    }

    /// Change a target.
    pub(crate) fn change_target(
        &self,
        name: &str,
        body: &api::ChangeTarget,
    ) -> Result<Asked, Refusal> {
        let found = self.target(name)?;
        let target = found.object.properties.id;
        Ok((found.provider, Request::SetTargetName { target, name: body.name.clone() }))
    }

    /// Make a portal group for a target.
    pub(crate) fn create_portal_group(&self, name: &str) -> Result<Asked, Refusal> {
        let found = self.target(name)?;
        let target = found.object.properties.id;
        Ok((found.provider, Request::CreatePortalGroup { target }))
    }

    /// Delete a portal group.
    pub(crate) fn delete_portal_group(&self, name: &str) -> Result<Asked, Refusal> {
        let found = self.portal_group(name)?;
        let group = found.object.properties.id;
        Ok((found.provider, Request::DeletePortalGroup { group }))
    }

    /// Put a portal into a portal group.
    pub(crate) fn add_to_portal_group(&self, name: &str, portal: &str) -> Result<Asked, Refusal> {
        let found = self.portal_group(name)?;
        let portal = self.portal_beside(found, portal)?;
        let group = found.object.properties.id;
        Ok((found.provider, Request::AddToPortalGroup { group, portal }))
    }

    /// Take a portal out of a portal group.
    pub(crate) fn remove_from_portal_group(
        &self,
        name: &str,
        portal: &str,
    ) -> Result<Asked, Refusal> {
        let found = self.portal_group(name)?;
        let portal = self.portal_beside(found, portal)?;
        let group = found.object.properties.id;
        Ok((found.provider, Request::RemoveFromPortalGroup { group, portal }))
    }

    /// A portal of the array whose group this is.
    fn portal_beside(
        &self,
        group: Found<'_, &PortalGroupView>,
        name: &str,
    ) -> Result<PortalId, Refusal> {
        let portal = self.portal(name)?.object;
        let id = group.object.properties.id;
        let is_its = |target: &&TargetView| {
            target.portal_groups.iter().any(|group| group.properties.id == id)
        };
        let target = group.view.targets.iter().find(is_its);
        if target.is_some_and(|target| target.subsystem != portal.subsystem) {
            let address = &portal.properties.address;
            let message = format!("portal {address} is of another array than the group's target");
            return Err(invalid(HResult::E_INVALIDARG, message)
                .with_hint("Name a portal of the target's own array: vds portal list"));
        }
        Ok(portal.properties.id)
    }

    /// Change an array.
    pub(crate) fn change_subsystem(
        &self,
        name: &str,
        body: &api::ChangeSubsystem,
    ) -> Result<Asked, Refusal> {
        let found = self.subsystem(name)?;
        let subsystem = found.object.properties.id;
        Ok((found.provider, Request::SetSubsystemName { subsystem, name: body.name.clone() }))
    }

    /// Listen on one more address.
    pub(crate) fn add_portal(&self, body: &api::AddPortal) -> Result<Asked, Refusal> {
        let found = self.subsystem_or_only(body.subsystem.as_deref())?;
        let subsystem = found.object.properties.id;
        let listen = address(&body.listen)?;
        let announce = body.announce.as_deref().map(address).transpose()?;
        let everybody = found.view.luns.iter().find(|lun| {
            lun.subsystem == subsystem && lun.properties.unmasking_list == UnmaskingList::Everybody
        });
        if let Some(lun) = everybody
            && !body.confirm_exposed
            && !listen.ip().to_canonical().is_loopback()
        {
            let message = format!(
                "LUN {:?} is unmasked to * and would be open to every initiator that reaches {listen}",
                lun.properties.friendly_name
            );
            return Err(invalid(HResult::VDSX_E_PORTAL_EXPOSED, message));
        }
        Ok((found.provider, Request::AddPortal { subsystem, listen, announce }))
    }

    /// Make an array on drives.
    pub(crate) fn create_subsystem(&self, body: &api::CreateSubsystem) -> Result<Asked, Refusal> {
        let makers = self.views.iter().filter(|(id, view)| match &body.provider {
            None => true,
            Some(name) => *name == view.provider.name || *name == id.to_string(),
        });
        let Some((provider, _)) = makers.into_iter().next() else {
            let name = body.provider.as_deref().unwrap_or_default();
            let message = format!("there is no provider {name:?}");
            return Err(invalid(HResult::VDS_E_OBJECT_NOT_FOUND, message));
        };
        let drives = body.drives.iter().map(new_drive).collect::<Result<_, _>>()?;
        Ok((*provider, Request::CreateSubsystem { name: body.name.clone(), drives }))
    }

    /// Take a drive into an array.
    pub(crate) fn add_drive(&self, body: &api::AddDrive) -> Result<Asked, Refusal> {
        let found = self.subsystem_or_only(body.subsystem.as_deref())?;
        let subsystem = found.object.properties.id;
        Ok((found.provider, Request::AddDrive { subsystem, drive: new_drive(&body.drive)? }))
    }

    /// Declare a drive failed. Refused without confirmation while a LUN would lose data by it.
    pub(crate) fn fail_drive(&self, name: &str, body: &api::FailDrive) -> Result<Asked, Refusal> {
        let found = self.drive(name)?;
        let drive = found.object.properties.id;
        let mut losing = found.view.luns.iter().filter(|lun| loses_data(lun, drive));
        if let Some(lun) = losing.next()
            && !body.confirm
        {
            let message = format!(
                "LUN {:?} would lose data: no other drive has all of what it keeps on {name}",
                lun.properties.friendly_name
            );
            return Err(invalid(HResult::VDSX_E_NOT_CONFIRMED, message));
        }
        Ok((found.provider, Request::FailDrive { drive }))
    }

    /// Open an array that does not open by itself.
    pub(crate) fn open_subsystem(
        &self,
        name: &str,
        body: &api::OpenSubsystem,
    ) -> Result<Asked, Refusal> {
        let found: Found<'_, &SubsystemView> = self.subsystem(name)?;
        let without = self.drives(found.provider, Some(&body.without))?.unwrap_or_default();
        let subsystem = found.object.properties.id;
        Ok((found.provider, Request::OpenSubsystem { subsystem, without }))
    }
}

/// Whether data would be lost with this drive: every plex that is whole keeps something on it, or the parity that could
/// make up for it is used up already.
fn loses_data(lun: &LunView, drive: DriveId) -> bool {
    let uses = |plex: &vds_provider::PlexView| plex.extents.iter().any(|of| of.drive == drive);
    let is_whole = |plex: &vds_provider::PlexView| {
        plex.properties.status == vds_model::PlexStatus::Online
            && plex.properties.health == vds_model::Health::Healthy
    };
    if !lun.plexes.iter().any(uses) {
        return false;
    }
    let has_parity = lun.properties.lun_type.is_fault_tolerant() == Some(true);
    if has_parity && lun.plexes.len() == 1 {
        return lun.properties.health != vds_model::Health::Healthy;
    }
    !lun.plexes.iter().any(|plex| is_whole(plex) && !uses(plex))
}

pub(super) fn lun_change(body: &api::ChangeLun) -> Result<LunChange, Refusal> {
    let mut changes = Vec::new();
    if let Some(list) = &body.unmasking_list {
        changes.push(LunChange::Mask(mask(list)?));
    }
    if body.unmask_add.is_some() || body.unmask_remove.is_some() {
        let list = |text: &Option<String>| mask(text.as_deref().unwrap_or_default());
        let (add, remove) = (list(&body.unmask_add)?, list(&body.unmask_remove)?);
        changes.push(LunChange::MaskEntries { add, remove });
    }
    if let Some(name) = &body.name {
        changes.push(LunChange::Name(name.clone()));
    }
    if let Some(policy) = body.caching {
        changes.push(LunChange::Caching(caching(policy)));
    }
    if let Some(status) = &body.status {
        let status = status.parse().map_err(|error: vds_model::LabelError| {
            invalid(HResult::VDSX_E_MALFORMED, error.to_string())
        })?;
        changes.push(LunChange::Status(status));
    }
    if let Some(texts) = &body.hints {
        changes.push(LunChange::Hints(hints(texts)?));
    }
    if let Some(choice) = &body.target {
        changes.push(LunChange::Target(choice.clone()));
    }
    let count = changes.len();
    if let (Some(change), 1) = (changes.pop(), count) {
        return Ok(change);
    }
    let message = format!("a change of a LUN names exactly one new value, this one {count}");
    Err(invalid(HResult::VDSX_E_MALFORMED, message))
}
