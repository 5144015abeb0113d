//! News of objects.

use serde::{Deserialize, Serialize};
use vds_model::{Change, NOTIFICATIONS_PER_CALL_MAX, Notification, NotificationTarget, Subject};

/// Most changes in one notification.
pub const EVENTS_MAX: usize = NOTIFICATIONS_PER_CALL_MAX;

/// Parameters of the notification `events`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// What has changed, of one cause.
    pub changes: Vec<EventChange>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventChange {
    /// The kind of object, such as `lun`.
    pub object: String,
    /// Its id.
    pub id: String,
    /// What happened: `arrive`, `depart`, `modify`, `removed`.
    pub change: String,
}

impl From<Notification> for EventChange {
    fn from(notification: Notification) -> Self {
        let subject = notification.subject();
        let object = match subject {
            Subject::PortalGroup(_) => "portal-group",
            other => other.target().label(),
        };
        Self {
            object: object.to_owned(),
            id: vds_model::LunId::from_bytes(subject.id_bytes()).to_string(),
            change: notification.change().label().to_owned(),
        }
    }
}

impl EventChange {
    /// The event in VDS's terms; `None` for one that VDS has no number for, or that cannot be read.
    pub fn notification(&self) -> Option<Notification> {
        let target: NotificationTarget = match self.object.as_str() {
            "portal-group" => NotificationTarget::PortalGroup,
            other => other.parse().ok()?,
        };
        let id: vds_model::LunId = self.id.parse().ok()?;
        let subject = Subject::new(target, id.to_bytes())?;
        let changes = [Change::Arrive, Change::Depart, Change::Modify, Change::Removed];
        let change = changes.into_iter().find(|change| change.label() == self.change)?;
        Notification::new(subject, change).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(object: &str, change: &str, expected: Option<&str>) {
        let id = "6f1c0d5e-51f5-4a38-8d0e-0c5f6cf2a001".to_owned();
        let event = EventChange { object: object.to_owned(), id, change: change.to_owned() };
        let found = event.notification();
        assert_eq!(found.map(Notification::name), expected, "{object} {change}");
        if let Some(found) = found {
            assert_eq!(EventChange::from(found), event);
        }
    }

    #[test]
    fn events_are_those_of_vds() {
        check("lun", "arrive", Some("VDS_NF_LUN_ARRIVE"));
        check("portal-group", "modify", Some("VDS_NF_PORTAL_GROUP_MODIFY"));
        check("drive", "removed", Some("VDS_NF_DRIVE_REMOVED"));
        check("lun", "removed", None);
        check("volume", "arrive", None);
        check("lun", "explode", None);
    }
}
