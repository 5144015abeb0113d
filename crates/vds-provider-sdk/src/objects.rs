//! Objects of a view with what they must have; everything else has the default that the protocol gives it.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vds_model::{DriveId, LunId, LunType, PlexId, PlexType, SubsystemId};
use vds_plugin::{Drive, Lun, Plex, PlexExtent, Subsystem};

fn with_defaults<T: DeserializeOwned>(fields: Value) -> T {
    serde_json::from_value(fields).expect("the fields without a default are there")
}

/// A subsystem. `identification` is a serial number or the like.
pub fn subsystem(id: SubsystemId, name: &str, identification: &str) -> Subsystem {
    with_defaults(json!({ "id": id.to_string(), "name": name, "identification": identification }))
}

/// A drive that is free to be added; [`Drive::subsystem`] makes it a member.
pub fn drive(id: DriveId, name: &str, size_bytes: u64) -> Drive {
    with_defaults(json!({ "id": id.to_string(), "name": name, "size_bytes": size_bytes }))
}

/// A LUN, still without its plexes.
pub fn lun(
    id: LunId,
    subsystem: SubsystemId,
    name: &str,
    lun_type: LunType,
    size_bytes: u64,
) -> Lun {
    with_defaults(json!({
        "id": id.to_string(), "subsystem": subsystem.to_string(), "name": name, "type": lun_type.label(),
        "size_bytes": size_bytes, "identification": id.to_string(), "plexes": [],
    }))
}

/// A plex, still without its extents.
pub fn plex(id: PlexId, plex_type: PlexType, size_bytes: u64) -> Plex {
    with_defaults(
        json!({ "id": id.to_string(), "type": plex_type.label(), "size_bytes": size_bytes }),
    )
}

/// Gives a LUN this size, with each of its plexes in one piece on this drive.
pub fn lay_out(lun: &mut Lun, drive: DriveId, size_bytes: u64) {
    (lun.size_bytes, lun.reserved_bytes) = (size_bytes, size_bytes);
    for plex in &mut lun.plexes {
        plex.size_bytes = size_bytes;
        plex.extents = vec![PlexExtent { drive, size_bytes }];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_the_defaults_of_the_page() {
        let subsystem_id = SubsystemId::from_bytes([1; 16]);
        assert_eq!(subsystem(subsystem_id, "a", "s").status.label(), "online");
        assert_eq!(drive(DriveId::from_bytes([2; 16]), "d", 7).subsystem, None);
        let lun = lun(LunId::from_bytes([3; 16]), subsystem_id, "l", LunType::Simple, 512);
        assert_eq!((lun.sector_bytes, lun.plexes.len()), (512, 0));
        assert_eq!(
            plex(PlexId::from_bytes([4; 16]), PlexType::Simple, 512).health.label(),
            "healthy"
        );
    }
}
