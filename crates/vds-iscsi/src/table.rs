//! Which sessions there are, by the identity the standard gives them.

use std::collections::BTreeMap;

use crate::login::{LoginStatus, SessionKey};

/// A session just taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The new session's TSIH.
    pub tsih: u16,
    /// The session it takes the place of, which must end.
    pub displaced: Option<u16>,
}

/// The sessions of one target program. A session has one connection.
#[derive(Clone, Debug, Default)]
pub struct SessionTable {
    by_key: BTreeMap<SessionKey, (u16, u16)>,
    by_tsih: BTreeMap<u16, SessionKey>,
    last: u16,
}

impl SessionTable {
    /// Takes in a session, for the `tsih` and `cid` its login asked with.
    ///
    /// With `tsih` 0 the session is new; another with the same key gives way (session reinstatement). Otherwise it must
    /// be that of the session with this key, and `cid` that of its one connection, which gives way (connection
    /// reinstatement).
    ///
    /// # Errors
    /// [`LoginStatus::SessionDoesNotExist`] for a TSIH that is not this initiator's,
    /// [`LoginStatus::TooManyConnections`] for a second connection, [`LoginStatus::OutOfResources`] when `sessions_max`
    /// is reached. Nothing has changed then.
    ///
    /// Source: RFC 7143 §6.3.4 and §6.3.5.
    pub fn admit(
        &mut self,
        key: &SessionKey,
        tsih: u16,
        cid: u16,
        sessions_max: usize,
    ) -> Result<Admission, LoginStatus> {
        let existing = self.by_key.get(key).copied();
        if tsih != 0 {
            match existing {
                Some((own, _)) if own != tsih => return Err(LoginStatus::SessionDoesNotExist),
                None => return Err(LoginStatus::SessionDoesNotExist),
                Some((_, own)) if own != cid => return Err(LoginStatus::TooManyConnections),
                Some(_) => {}
            }
        }
        let displaced = existing.map(|(own, _)| own);
        if displaced.is_none() && self.by_tsih.len() >= sessions_max.min(usize::from(u16::MAX)) {
            return Err(LoginStatus::OutOfResources);
        }
        // The new session gets a TSIH of its own while the old one, still winding down, keeps its own.
        let new = self.free_tsih().ok_or(LoginStatus::OutOfResources)?;
        if let Some(old) = displaced {
            self.by_tsih.remove(&old);
        }
        self.by_key.insert(key.clone(), (new, cid));
        self.by_tsih.insert(new, key.clone());
        Ok(Admission { tsih: new, displaced })
    }

    /// Forgets a session that has ended. One that was displaced is forgotten already.
    pub fn remove(&mut self, tsih: u16) {
        if let Some(key) = self.by_tsih.remove(&tsih) {
            self.by_key.remove(&key);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_tsih.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_tsih.is_empty()
    }

    /// The next number that is not in use, never zero.
    fn free_tsih(&mut self) -> Option<u16> {
        for _ in 0..u16::MAX {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.by_tsih.contains_key(&self.last) {
                return Some(self.last);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_by_the_standard() {
        let key = |initiator: &str| SessionKey {
            initiator: initiator.into(),
            isid: [1; 6],
            target: "iqn.t".into(),
            portal_group_tag: 1,
        };
        let mut table = SessionTable::default();
        let mut check = |initiator, tsih, cid, expected| {
            let found = table.admit(&key(initiator), tsih, cid, 2);
            assert_eq!(found.map(|found| (found.tsih, found.displaced)), expected);
        };
        check("a", 0, 0, Ok((1, None)));
        check("a", 0, 0, Ok((2, Some(1))));
        check("a", 1, 0, Err(LoginStatus::SessionDoesNotExist));
        check("b", 2, 0, Err(LoginStatus::SessionDoesNotExist));
        check("a", 2, 5, Err(LoginStatus::TooManyConnections));
        check("a", 2, 0, Ok((3, Some(2))));
        check("b", 0, 0, Ok((4, None)));
        check("c", 0, 0, Err(LoginStatus::OutOfResources));
        check("b", 0, 0, Ok((5, Some(4))));
        table.remove(4);
        assert_eq!(table.len(), 2);
        table.remove(5);
        table.remove(3);
        assert!(table.is_empty());
    }
}
