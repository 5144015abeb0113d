//! Every call of the API by name.

use hyper::Method;
use vds_api::path;
use vds_api::{
    AddDrive, AddPlex, AddPortal, AddProvider, AvailableDrive, ChangeLun, ChangePriority,
    ChangeSubsystem, ChangeTarget, Controller, CreateLun, CreateSubsystem, CreateTarget, Damage,
    DeleteLun, Drive, ExtendLun, FailDrive, Lun, MaxExtensionQuery, MaxSize, MaxSizeQuery,
    OpenSubsystem, Operation, OperationFilter, Plan, Plex, Pool, Port, Portal, Provider, Session,
    SetDriveSpare, SetTargetChap, SetTargetSecret, Status, Subsystem, Target,
};

use crate::client::NO_QUERY;
use crate::{Client, ClientError, Pending};

type Result<T> = std::result::Result<T, ClientError>;

/// A request without a body.
const NO_BODY: Option<&()> = None;

macro_rules! lists {
    ($($(#[$meta:meta])* $name:ident: $item:ty = $path:expr;)*) => {
        /// Lists: all pages of each.
        impl Client { $(
            $(#[$meta])*
            ///
            /// # Errors
            /// Any [`ClientError`].
            pub async fn $name(&self) -> Result<Vec<$item>> {
                self.list($path, NO_QUERY).await
            }
        )* }
    };
}

macro_rules! ones {
    ($($(#[$meta:meta])* $name:ident: $item:ty;)*) => {
        /// Single objects, each by id, by a unique beginning of its id, or by name.
        impl Client { $(
            $(#[$meta])*
            ///
            /// # Errors
            /// Any [`ClientError`]; `object.not_found`, `name.ambiguous`.
            pub async fn $name(&self, name: &str) -> Result<$item> {
                self.get(&path::$name(name), NO_QUERY).await
            }
        )* }
    };
}

macro_rules! starts {
    ($($(#[$meta:meta])* $name:ident($($argument:ident: $type:ty),*$(; $body:ident: $body_type:ty)?) = $method:ident $path:expr;)*) => {
        /// Work: each call starts an operation, under a new key.
        impl Client { $(
            $(#[$meta])*
            ///
            /// # Errors
            /// Any [`ClientError`]; what can be refused at the door is refused here, without an operation.
            pub async fn $name(&self $(, $argument: $type)* $(, $body: &$body_type)?) -> Result<Pending> {
                self.start(Method::$method, $path.as_ref(), starts!(@body $($body)?)).await
            }
        )* }
    };
    (@body) => { NO_BODY };
    (@body $body:ident) => { Some($body) };
}

lists! {
    /// All providers.
    providers: Provider = path::PROVIDERS;
    /// All subsystems.
    subsystems: Subsystem = path::SUBSYSTEMS;
    /// All storage pools.
    pools: Pool = path::POOLS;
    /// All controllers.
    controllers: Controller = path::CONTROLLERS;
    /// All ports of controllers.
    ports: Port = path::PORTS;
    /// All drives that are known.
    drives: Drive = path::DRIVES;
    /// The block devices of the machine.
    available_drives: AvailableDrive = path::AVAILABLE_DRIVES;
    /// All LUNs.
    luns: Lun = path::LUNS;
    /// All targets.
    targets: Target = path::TARGETS;
    /// All portals.
    portals: Portal = path::PORTALS;
    /// All sessions.
    sessions: Session = path::SESSIONS;
    /// All damage that was found.
    damage: Damage = path::DAMAGE;
}

ones! {
    /// One provider.
    provider: Provider;
    /// One subsystem.
    subsystem: Subsystem;
    /// One storage pool.
    pool: Pool;
    /// One drive.
    drive: Drive;
    /// One LUN.
    lun: Lun;
    /// One plex.
    plex: Plex;
    /// One target.
    target: Target;
    /// One portal.
    portal: Portal;
    /// One operation, as it is now.
    operation: Operation;
}

starts! {
    /// Makes an array.
    create_subsystem(; body: CreateSubsystem) = POST path::SUBSYSTEMS;
    /// Opens an array that does not open by itself.
    open_subsystem(name: &str; body: OpenSubsystem) = POST path::subsystem_open(name);
    /// Reads and verifies everything on an array, and mends what another copy has.
    scrub_subsystem(name: &str) = POST path::subsystem_scrub(name);
    /// Takes a drive into an array.
    add_drive(; body: AddDrive) = POST path::DRIVES;
    /// Declares a drive failed.
    fail_drive(name: &str; body: FailDrive) = POST path::drive_fail(name);
    /// Makes a drive a spare, or no longer one.
    set_drive_spare(name: &str; body: SetDriveSpare) = POST path::drive_spare(name);
    /// Releases a drive.
    remove_drive(name: &str) = DELETE path::drive(name);
    /// Makes a LUN.
    create_lun(; body: CreateLun) = POST path::LUNS;
    /// Changes one thing about a LUN.
    change_lun(name: &str; body: ChangeLun) = PATCH path::lun(name);
    /// Makes a LUN larger.
    extend_lun(name: &str; body: ExtendLun) = POST path::lun_extend(name);
    /// Brings a LUN back to full redundancy.
    recover_lun(name: &str) = POST path::lun_recover(name);
    /// Adds a copy to a LUN.
    add_plex(name: &str; body: AddPlex) = POST path::lun_plexes(name);
    /// Takes a copy from its LUN.
    remove_plex(name: &str) = DELETE path::plex(name);
    /// Makes a target.
    create_target(; body: CreateTarget) = POST path::TARGETS;
    /// Deletes a target.
    delete_target(name: &str) = DELETE path::target(name);
    /// Sets or takes away the secrets of a target.
    set_target_chap(name: &str; body: SetTargetChap) = PUT path::target_chap(name);
    /// Sets or takes away one secret of a target.
    set_target_secret(name: &str; body: SetTargetSecret) = PUT path::target_secret(name);
    /// Changes one thing about a target.
    change_target(name: &str; body: ChangeTarget) = PATCH path::target(name);
    /// Changes one thing about an array.
    change_subsystem(name: &str; body: ChangeSubsystem) = PATCH path::subsystem(name);
    /// Listens on one more address.
    add_portal(; body: AddPortal) = POST path::PORTALS;
    /// Listens on an address no more.
    remove_portal(name: &str) = DELETE path::portal(name);
    /// Makes a portal group for a target.
    create_portal_group(target: &str) = POST path::target_portal_groups(target);
    /// Deletes a portal group.
    delete_portal_group(name: &str) = DELETE path::portal_group(name);
    /// Puts a portal into a portal group.
    add_to_portal_group(name: &str, portal: &str) = PUT path::portal_in_group(name, portal);
    /// Takes a portal out of a portal group.
    remove_from_portal_group(name: &str, portal: &str) = DELETE path::portal_in_group(name, portal);
    /// Has a provider look for arrays and drives.
    reenumerate(provider: &str) = POST path::of_provider(path::REENUMERATE, provider);
    /// Has a provider read the properties of known objects again.
    refresh(provider: &str) = POST path::of_provider(path::REFRESH, provider);
}

/// Questions, and what is answered at once.
impl Client {
    /// The service at a glance.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn status(&self) -> Result<Status> {
        self.get(path::STATUS, NO_QUERY).await
    }

    /// Operations that match, newest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn operations(&self, filter: &OperationFilter) -> Result<Vec<Operation>> {
        self.list(path::OPERATIONS, filter).await
    }

    /// An operation to wait for.
    ///
    /// # Errors
    /// Any [`ClientError`]; `object.not_found`, `name.ambiguous`.
    pub async fn pending(&self, name: &str) -> Result<Pending> {
        Ok(Pending::new(self.clone(), self.operation(name).await?))
    }

    /// Registers a plug-in provider and starts it.
    ///
    /// # Errors
    /// Any [`ClientError`]; `provider.start_failed`, `provider.unconfined`, `access.role`.
    pub async fn add_provider(&self, body: &AddProvider) -> Result<Provider> {
        self.ask(path::PROVIDERS, body).await
    }

    /// Lets go of a plug-in provider.
    ///
    /// # Errors
    /// Any [`ClientError`]; `object.not_found`, `access.role`.
    pub async fn remove_provider(&self, name: &str) -> Result<Provider> {
        self.take_away(&path::provider(name)).await
    }

    /// Ends the process of a plug-in provider and starts it again.
    ///
    /// # Errors
    /// As [`Client::remove_provider`].
    pub async fn restart_provider(&self, name: &str) -> Result<Provider> {
        self.act(&format!("{}/restart", path::provider(name))).await
    }

    /// What making a LUN would do; changes nothing.
    ///
    /// # Errors
    /// Any [`ClientError`]; refused for the reasons for which making it would be.
    pub async fn plan_lun(&self, body: &CreateLun) -> Result<Plan> {
        self.ask(path::LUN_PLAN, body).await
    }

    /// How large a LUN could be made; changes nothing.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn max_lun_size(&self, body: &MaxSizeQuery) -> Result<MaxSize> {
        self.ask(path::LUN_MAX_SIZE, body).await
    }

    /// How much larger a LUN could be made; changes nothing.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn max_lun_extension(&self, name: &str, body: &MaxExtensionQuery) -> Result<MaxSize> {
        self.ask(&path::lun_max_extension(name), body).await
    }

    /// Deletes a LUN. Starts an operation.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn delete_lun(&self, name: &str, query: DeleteLun) -> Result<Pending> {
        let force = if query.force { "?force=true" } else { "" };
        self.start(Method::DELETE, &format!("{}{force}", path::lun(name)), NO_BODY).await
    }

    /// Holds background work.
    ///
    /// # Errors
    /// Any [`ClientError`]; `operation.pause_not_supported`, `operation.ended`.
    pub async fn pause_operation(&self, name: &str) -> Result<Operation> {
        self.act(&path::operation_pause(name)).await
    }

    /// Lets held work go on.
    ///
    /// # Errors
    /// As [`Client::pause_operation`].
    pub async fn resume_operation(&self, name: &str) -> Result<Operation> {
        self.act(&path::operation_resume(name)).await
    }

    /// Gives background work another priority.
    ///
    /// # Errors
    /// As [`Client::pause_operation`]; `request.priority`.
    pub async fn set_operation_priority(&self, name: &str, priority: u8) -> Result<Operation> {
        self.ask(&path::operation_priority(name), &ChangePriority { priority }).await
    }
}
