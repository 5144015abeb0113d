//! The paths of `/v1`. Where an object is named, its id, a unique beginning of its id, or its name will do.

use std::fmt::Write as _;

macro_rules! fixed {
    ($($(#[$meta:meta])* $name:ident = $path:literal;)*) => { $( $(#[$meta])* pub const $name: &str = $path; )* };
}

fixed! {
    /// GET [`Status`](crate::Status).
    STATUS = "/v1/status";
    /// GET [`Readiness`](crate::Readiness), query [`ReadyQuery`](crate::ReadyQuery).
    READY = "/v1/ready";
    /// GET a list of [`Provider`](crate::Provider); POST [`AddProvider`](crate::AddProvider). One: GET, DELETE; POST `/restart`.
    PROVIDERS = "/v1/providers";
    /// GET a list of [`Subsystem`](crate::Subsystem); POST [`CreateSubsystem`](crate::CreateSubsystem).
    SUBSYSTEMS = "/v1/subsystems";
    /// GET a list of [`Pool`](crate::Pool).
    POOLS = "/v1/pools";
    /// GET a list of [`Controller`](crate::Controller).
    CONTROLLERS = "/v1/controllers";
    /// GET a list of [`Port`](crate::Port).
    PORTS = "/v1/ports";
    /// GET a list of [`Drive`](crate::Drive); POST [`AddDrive`](crate::AddDrive).
    DRIVES = "/v1/drives";
    /// GET a list of [`AvailableDrive`](crate::AvailableDrive): the block devices of the machine.
    AVAILABLE_DRIVES = "/v1/available-drives";
    /// GET a list of [`Lun`](crate::Lun); POST [`CreateLun`](crate::CreateLun).
    LUNS = "/v1/luns";
    /// POST [`CreateLun`](crate::CreateLun), answered with a [`Plan`](crate::Plan); changes nothing.
    LUN_PLAN = "/v1/luns/plan";
    /// POST [`MaxSizeQuery`](crate::MaxSizeQuery), answered with [`MaxSize`](crate::MaxSize); changes nothing.
    LUN_MAX_SIZE = "/v1/luns/max-size";
    /// GET a list of [`Target`](crate::Target); POST [`CreateTarget`](crate::CreateTarget).
    TARGETS = "/v1/targets";
    /// GET a list of [`Portal`](crate::Portal); POST [`AddPortal`](crate::AddPortal).
    PORTALS = "/v1/portals";
    /// Below it one [`PortalGroup`](crate::PortalGroup) each; they are listed with their targets.
    PORTAL_GROUPS = "/v1/portal-groups";
    /// GET a list of [`Session`](crate::Session).
    SESSIONS = "/v1/sessions";
    /// GET a list of [`Damage`](crate::Damage).
    DAMAGE = "/v1/damage";
    /// GET a list of [`Operation`](crate::Operation).
    OPERATIONS = "/v1/operations";
    /// GET: a stream of server-sent events, each an [`Event`](crate::Event).
    EVENTS = "/v1/events";
    /// POST, no body, with a [`ProviderFilter`](crate::ProviderFilter): look for arrays and drives. Answered with an operation.
    REENUMERATE = "/v1/reenumerate";
    /// POST, no body, with a [`ProviderFilter`](crate::ProviderFilter): read the properties of known objects again. Answered
    /// with an operation.
    REFRESH = "/v1/refresh";
    /// GET a list of [`AuditRow`](crate::AuditRow), newest first.
    AUDIT = "/v1/audit";
    /// Below it one [`Plex`](crate::Plex) each; plexes are listed with their LUNs.
    PLEXES = "/v1/plexes";
}

/// A path that asks one provider, as a [`ProviderFilter`](crate::ProviderFilter) says it.
pub fn of_provider(path: &str, provider: &str) -> String {
    format!("{path}?provider={}", segment(provider))
}

/// One element of a path, with everything percent-encoded that could be mistaken for something else.
///
/// Source: RFC 3986 §2.3 for what needs no encoding.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a text cannot fail");
        }
    }
    // A segment of dots alone would be a step through the path.
    match out.as_str() {
        "." => "%2E".into(),
        ".." => "%2E%2E".into(),
        _ => out,
    }
}

macro_rules! of_one {
    ($($(#[$meta:meta])* $name:ident = $base:expr, $tail:literal;)*) => { $(
        $(#[$meta])*
        pub fn $name(name: &str) -> String {
            format!("{}/{}{}", $base, segment(name), $tail)
        }
    )* };
}

of_one! {
    /// GET one [`Provider`](crate::Provider).
    provider = PROVIDERS, "";
    /// GET one [`Subsystem`](crate::Subsystem); PATCH [`ChangeSubsystem`](crate::ChangeSubsystem).
    subsystem = SUBSYSTEMS, "";
    /// POST [`OpenSubsystem`](crate::OpenSubsystem).
    subsystem_open = SUBSYSTEMS, "/open";
    /// POST, no body: read and verify everything, and mend what another copy has.
    subsystem_scrub = SUBSYSTEMS, "/scrub";
    /// GET one [`Pool`](crate::Pool).
    pool = POOLS, "";
    /// GET one [`Drive`](crate::Drive); DELETE: drain and release it.
    drive = DRIVES, "";
    /// POST [`FailDrive`](crate::FailDrive): declare it failed.
    drive_fail = DRIVES, "/fail";
    /// POST [`SetDriveSpare`](crate::SetDriveSpare).
    drive_spare = DRIVES, "/spare";
    /// GET one [`Lun`](crate::Lun); PATCH [`ChangeLun`](crate::ChangeLun); DELETE, query
    /// [`DeleteLun`](crate::DeleteLun).
    lun = LUNS, "";
    /// POST [`ExtendLun`](crate::ExtendLun).
    lun_extend = LUNS, "/extend";
    /// POST [`MaxExtensionQuery`](crate::MaxExtensionQuery), answered with [`MaxSize`](crate::MaxSize); changes nothing.
    lun_max_extension = LUNS, "/max-extension";
    /// POST, no body: bring it back to full redundancy.
    lun_recover = LUNS, "/recover";
    /// POST [`AddPlex`](crate::AddPlex).
    lun_plexes = LUNS, "/plexes";
    /// GET one [`Plex`](crate::Plex); DELETE: take it from its LUN.
    plex = PLEXES, "";
    /// GET one [`Target`](crate::Target); PATCH [`ChangeTarget`](crate::ChangeTarget); DELETE.
    target = TARGETS, "";
    /// PUT [`SetTargetChap`](crate::SetTargetChap).
    target_chap = TARGETS, "/chap";
    /// PUT [`SetTargetSecret`](crate::SetTargetSecret).
    target_secret = TARGETS, "/secret";
    /// POST, no body: make a [`PortalGroup`](crate::PortalGroup) for it, with no portal in it.
    target_portal_groups = TARGETS, "/portal-groups";
    /// DELETE: delete it; it must have no portals.
    portal_group = PORTAL_GROUPS, "";
    /// GET one [`Portal`](crate::Portal); DELETE.
    portal = PORTALS, "";
    /// GET one [`Operation`](crate::Operation), query [`WaitQuery`](crate::WaitQuery).
    operation = OPERATIONS, "";
    /// POST, no body: cancel it; answered with a [`CancelAnswer`](crate::CancelAnswer).
    operation_cancel = OPERATIONS, "/cancel";
    /// POST, no body: hold it.
    operation_pause = OPERATIONS, "/pause";
    /// POST, no body: go on.
    operation_resume = OPERATIONS, "/resume";
    /// POST [`ChangePriority`](crate::ChangePriority).
    operation_priority = OPERATIONS, "/priority";
}

/// PUT, no body: put the portal into the group; DELETE: take it out.
pub fn portal_in_group(group: &str, portal: &str) -> String {
    format!("{}/portals/{}", portal_group(group), segment(portal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        assert_eq!(lun(name), expected);
    }

    #[test]
    fn names_cannot_leave_their_segment() {
        check("db1", "/v1/luns/db1");
        check("a/../b?c#d e", "/v1/luns/a%2F..%2Fb%3Fc%23d%20e");
        check("..", "/v1/luns/%2E%2E");
        check("größe", "/v1/luns/gr%C3%B6%C3%9Fe");
        assert_eq!(operation_cancel("x"), "/v1/operations/x/cancel");
    }
}
