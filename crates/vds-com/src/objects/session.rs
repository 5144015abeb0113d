//! A session with the service: its client, and which COM object stands for which of its objects.
//!
//! While an object is alive its id leads to it, so that two enumerations hand out one identity. The table holds no
//! references: an object leaves it in its own end.
#![expect(unsafe_code, reason = "objects are found again by their addresses")]

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use vds_api::Operation;
use vds_client::{Client, ClientError, Pending, Waited};
use vds_model::OperationId;

use super::answer::{self, Answer};
use super::asynchronous::wait_limit;
use super::enumeration::Enumeration;
use super::runtime;
use crate::abi::{E_UNEXPECTED, IEnumVdsObject, VDS_E_BAD_PROVIDER_DATA, VDS_E_TIMEOUT};
use crate::com::{Class, ComPtr, GUID, IUnknown, Interface, object, revive};
use crate::embedding;

/// Where the service listens unless `VDS_SOCKET` says otherwise.
const SOCKET: &str = "/run/vds/vds.sock";

/// What kind of object an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Service,
    Provider,
    Subsystem,
    Pool,
    Controller,
    Port,
    Drive,
    Lun,
    Plex,
    Target,
    PortalGroup,
    Portal,
}

/// A class whose objects stand for the service's own.
pub(crate) trait Named: Class {
    const KIND: Kind;

    /// The object for this place.
    fn at(place: Place) -> Self;
}

/// A session with the service on one socket.
pub(crate) struct Session {
    client: Client,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    places: HashMap<(Kind, GUID), Entry>,
    tokens: u64,
}

/// Where an object is. Its memory is there as long as the entry is: the object takes the entry out in its own end.
struct Entry {
    token: u64,
    identity: Identity,
    revive: unsafe fn(*mut IUnknown) -> Option<ComPtr<IUnknown>>,
}

/// The address of an object.
struct Identity(*mut IUnknown);

// SAFETY: an address; objects may be used by any thread.
unsafe impl Send for Identity {}

/// What holds an object in the table.
pub(crate) struct Place {
    session: Arc<Session>,
    kind: Kind,
    id: GUID,
    token: u64,
}

/// The sessions that are alive: one for each socket, so that a second `LoadService` finds the same objects.
static SESSIONS: Mutex<Vec<Weak<Session>>> = Mutex::new(Vec::new());

impl Session {
    /// The session with the service of this machine.
    ///
    /// # Errors
    /// A service that was to be in this process does not start.
    pub(crate) fn local() -> Answer<Arc<Self>> {
        if let Some(socket) = embedding::socket()? {
            return Ok(Self::open(&socket));
        }
        let socket = std::env::var_os("VDS_SOCKET").filter(|socket| !socket.is_empty());
        Ok(Self::open(&socket.map_or_else(|| PathBuf::from(SOCKET), PathBuf::from)))
    }

    fn open(socket: &Path) -> Arc<Self> {
        let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.strong_count() > 0);
        let found = sessions.iter().filter_map(Weak::upgrade);
        if let Some(session) = { found }.find(|session| session.client.socket() == socket) {
            return session;
        }
        let session = Arc::new(Self { client: Client::new(socket), table: Mutex::default() });
        sessions.push(Arc::downgrade(&session));
        session
    }

    /// Asks the service and waits for its answer.
    pub(crate) fn ask<T, F>(&self, question: impl FnOnce(Client) -> F) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ClientError>> + Send + 'static,
    {
        runtime::block_on(question(self.client.clone()))?.map_err(|error| answer::failure(&error))
    }

    /// Starts work and waits for its end: for methods that VDS documents as synchronous.
    pub(crate) fn work<F>(&self, start: impl FnOnce(Client) -> F) -> Answer<()>
    where
        F: Future<Output = Result<Pending, ClientError>> + Send + 'static,
    {
        let ended = self.wait(self.ask(start)?)?;
        let outcome = answer::outcome(&ended);
        if outcome.is_failure() { Err(outcome) } else { Ok(()) }
    }

    /// Waits for the end of an operation, for as long as the caller's setting allows.
    pub(crate) fn wait(&self, mut pending: Pending) -> Answer<Operation> {
        let limit = wait_limit();
        let ended = self.ask(|_| async move {
            match limit {
                None => pending.wait().await.map(Some),
                Some(limit) => Ok(match pending.wait_timeout(limit).await? {
                    Waited::Ended(operation) => Some(*operation),
                    Waited::TimedOut(_) => None,
                }),
            }
        })?;
        ended.ok_or(VDS_E_TIMEOUT)
    }

    /// An operation to wait for, cancel and ask after.
    pub(crate) fn pending(&self, operation: Operation) -> Pending {
        Pending::new(self.client.clone(), operation)
    }

    /// The client, for what goes on beside calls.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object of this id: the one that is alive, or a new one.
    pub(crate) fn object<T: Named>(self: &Arc<Self>, id: GUID) -> ComPtr<IUnknown> {
        let mut table = self.table();
        if let Some(entry) = table.places.get(&(T::KIND, id)) {
            // SAFETY: the entry is there, so the object's memory is, and it stays while the table is locked.
            if let Some(alive) = unsafe { (entry.revive)(entry.identity.0) } {
                return alive;
            }
        }
        table.tokens += 1;
        let token = table.tokens;
        let place = Place { session: Arc::clone(self), kind: T::KIND, id, token };
        let made = object(T::at(place));
        let identity = Identity(made.as_raw());
        table.places.insert((T::KIND, id), Entry { token, identity, revive: revive::<T> });
        made
    }

    /// As [`Self::object`], by an interface that every object of the class shows.
    pub(crate) fn interface<T: Named, I: Interface>(
        self: &Arc<Self>,
        id: &str,
    ) -> Answer<ComPtr<I>> {
        self.object::<T>(guid(id)?).query()
    }

    /// An enumeration of the objects of these ids, as they are now.
    pub(crate) fn list<'a, T: Named>(
        self: &Arc<Self>,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Answer<ComPtr<IEnumVdsObject>> {
        let objects = ids.into_iter().map(|id| Ok(self.object::<T>(guid(id)?)));
        Enumeration::of(objects.collect::<Answer<Vec<_>>>()?)
    }
}

impl Place {
    /// The session.
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The object's id.
    pub(crate) fn id(&self) -> GUID {
        self.id
    }

    /// The object's id as the service writes it.
    pub(crate) fn name(&self) -> String {
        self.id.to_string()
    }

    /// As [`Session::ask`], about this very object: that it is not found means that it has been deleted.
    pub(crate) fn ask<T, F>(&self, question: impl FnOnce(Client, String) -> F) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ClientError>> + Send + 'static,
    {
        let name = self.name();
        self.session.ask(|client| question(client, name)).map_err(answer::of_own)
    }

    /// As [`Session::work`], on this very object.
    pub(crate) fn work<F>(&self, start: impl FnOnce(Client, String) -> F) -> Answer<()>
    where
        F: Future<Output = Result<Pending, ClientError>> + Send + 'static,
    {
        let name = self.name();
        self.session.work(|client| start(client, name)).map_err(answer::of_own)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.session.table();
        let key = (self.kind, self.id);
        // A younger object may have taken the place since the last reference to this one went.
        if table.places.get(&key).is_some_and(|entry| entry.token == self.token) {
            table.places.remove(&key);
        }
    }
}

/// An id as the service writes it, as COM has it.
pub(crate) fn guid(id: &str) -> Answer<GUID> {
    let id: OperationId = id.parse().map_err(|_| VDS_E_BAD_PROVIDER_DATA)?;
    Ok(GUID::from_bytes(id.to_bytes()))
}

/// A text of the caller's.
pub(crate) fn string(text: crate::com::Wide<'_>) -> Answer<String> {
    text.to_string().map_err(|_| crate::abi::E_INVALIDARG)
}

/// Names of drives, as the service takes them; none where the caller gave none.
pub(crate) fn drive_names(ids: Option<&[GUID]>) -> Option<Vec<String>> {
    let ids = ids.filter(|ids| !ids.is_empty())?;
    Some(ids.iter().map(GUID::to_string).collect())
}

/// What an object of ours that shows the interface answers for it.
pub(crate) fn shown<I: Interface>(object: &ComPtr<IUnknown>) -> Answer<ComPtr<I>> {
    object.query().map_err(|_| E_UNEXPECTED)
}
