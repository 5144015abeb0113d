//! New LUNs: what one is to be, wherever it is asked for.

use std::sync::Arc;

use vds_api::{CreateLun, MaxSizeQuery};
use vds_model::LunType;

use super::answer::Answer;
use super::asynchronous::Async;
use super::session::{Session, drive_names, string};
use crate::abi::{E_INVALIDARG, IVdsAsync, VDS_ASYNCOUT_CREATELUN, VDS_LUN_TYPE};
use crate::com::{ComPtr, GUID, Wide};

/// What a new LUN, or the largest that could be made, is to be.
pub(super) struct Wish {
    lun_type: String,
    drives: Option<Vec<String>>,
    hints: Vec<String>,
}

/// Where it is to be, by id.
pub(super) enum Home {
    Subsystem(String),
    Pool(String),
}

impl Home {
    /// The subsystem and the pool to name.
    fn names(self) -> (Option<String>, Option<String>) {
        match self {
            Self::Subsystem(subsystem) => (Some(subsystem), None),
            Self::Pool(pool) => (None, Some(pool)),
        }
    }
}

impl Wish {
    pub(super) fn new(
        lun_type: VDS_LUN_TYPE,
        drives: Option<&[GUID]>,
        hints: Option<Answer<Vec<String>>>,
    ) -> Answer<Self> {
        let lun_type = match LunType::from_number(lun_type.0) {
            LunType::Unknown | LunType::Unrecognized(_) => return Err(E_INVALIDARG),
            known => known.label().to_owned(),
        };
        let hints = hints.transpose()?.unwrap_or_default();
        Ok(Self { lun_type, drives: drive_names(drives), hints })
    }

    /// Starts making it.
    pub(super) fn create(
        self,
        session: &Arc<Session>,
        home: Home,
        size_bytes: u64,
        unmasking_list: Wide<'_>,
    ) -> Answer<ComPtr<IVdsAsync>> {
        let (subsystem, pool) = home.names();
        let body = CreateLun {
            subsystem,
            pool,
            lun_type: Some(self.lun_type),
            size_bytes,
            drives: self.drives,
            unmasking_list: string(unmasking_list)?,
            hints: self.hints,
            ..CreateLun::default()
        };
        Async::start(session, VDS_ASYNCOUT_CREATELUN, |client| async move {
            client.create_lun(&body).await
        })
    }

    /// How large it could be.
    pub(super) fn max_size(self, session: &Session, home: Home) -> Answer<u64> {
        let (subsystem, pool) = home.names();
        let body = MaxSizeQuery {
            subsystem,
            pool,
            lun_type: Some(self.lun_type),
            drives: self.drives,
            hints: self.hints,
            ..MaxSizeQuery::default()
        };
        let size = session.ask(|client| async move { client.max_lun_size(&body).await })?;
        Ok(size.size_bytes)
    }
}
