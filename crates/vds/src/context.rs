//! What every verb of a client has: the service, the global options, and how results are shown.

use std::future::Future;
use std::path::PathBuf;

use serde::Serialize;
use vds_api::{List, Operation, Subsystem};
use vds_client::{Client, ClientError, Pending};

use crate::command::{DEFAULT_SOCKET, GlobalArgs};
use crate::failure::{Failure, needs_consent};
use crate::{output, prompt, wait};

/// See the module.
#[derive(Debug)]
pub(crate) struct Context {
    /// The service.
    pub(crate) client: Client,
    /// The global options.
    pub(crate) global: GlobalArgs,
}

impl Context {
    /// For these options.
    pub(crate) fn new(global: GlobalArgs) -> Self {
        let socket = global.socket.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET));
        Self { client: Client::new(socket), global }
    }

    /// Shows one thing: its JSON, or what `people` prints.
    ///
    /// # Errors
    /// Of the output.
    pub(crate) fn show<T: Serialize>(
        &self,
        thing: &T,
        people: impl FnOnce(&T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.global.json { output::json(thing) } else { people(thing) }
    }

    /// Shows a list: the JSON of a list of the API, or what `people` prints.
    ///
    /// # Errors
    /// Of the output.
    pub(crate) fn show_list<T: Serialize>(
        &self,
        items: Vec<T>,
        people: impl FnOnce(&[T]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.global.json { output::json(&List { items, next: None }) } else { people(&items) }
    }

    /// Sees a started operation through: waits for its end unless told not to, then shows it.
    /// `people` prints what came of it.
    ///
    /// # Errors
    /// When it does not end well, or the wait does not.
    pub(crate) async fn finish<F>(
        &self,
        pending: Pending,
        people: impl FnOnce(Operation) -> F,
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        if self.global.no_wait {
            return self.show(pending.latest(), |operation| output::line(&operation.id));
        }
        let operation = wait::for_end(&self.global, pending).await?;
        if let Some(failure) = Failure::of_operation(&operation) {
            if self.global.json {
                output::json(&operation)?;
            }
            return Err(failure);
        }
        if self.global.json { output::json(&operation) } else { people(operation).await }
    }

    /// As [`Context::finish`], with one line as the result.
    ///
    /// # Errors
    /// As [`Context::finish`].
    pub(crate) async fn finish_with(&self, pending: Pending, line: &str) -> Result<(), Failure> {
        self.finish(pending, async |_| output::line(line)).await
    }

    /// Asks before something that cannot be taken back.
    ///
    /// # Errors
    /// [`Failure::NotConfirmed`], [`Failure::Declined`].
    pub(crate) fn confirm(&self, what: &str) -> Result<(), Failure> {
        prompt::confirm(self.global.yes, what)
    }

    /// Starts work that the service may want a yes for; on a terminal it is then asked for.
    ///
    /// # Errors
    /// Of the start; [`Failure::Declined`].
    pub(crate) async fn start_with_consent<F>(
        &self,
        start: impl Fn(bool) -> F,
    ) -> Result<Pending, Failure>
    where
        F: Future<Output = Result<Pending, ClientError>>,
    {
        match start(self.global.yes).await {
            Err(ClientError::Refused { body, .. })
                if needs_consent(body.result()) && !self.global.yes && prompt::is_interactive() =>
            {
                self.confirm(&body.message)?;
                Ok(start(true).await?)
            }
            other => Ok(other?),
        }
    }

    /// The subsystem named, or the only one.
    ///
    /// # Errors
    /// Of the service; [`Failure::Usage`] where none is named and there are several.
    pub(crate) async fn subsystem(&self, name: Option<&str>) -> Result<Subsystem, Failure> {
        if let Some(name) = name {
            return Ok(self.client.subsystem(name).await?);
        }
        let mut subsystems = self.client.subsystems().await?;
        match (subsystems.pop(), subsystems.len()) {
            (Some(only), 0) => Ok(only),
            (None, _) => Err(Failure::NotFound { message: "there is no array yet".to_owned() }),
            (Some(_), more) => {
                let message = format!("there are {} arrays: name one of them", more + 1);
                Err(Failure::Usage { message })
            }
        }
    }
}
