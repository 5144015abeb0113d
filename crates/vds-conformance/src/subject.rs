//! The provider that a check looks at: its process, what it said of itself, and the operations begun on it.

use std::time::{Duration, Instant};

use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use vds_model::{
    BusType, HResult, LunId, LunIdentification, OperationId, ProviderFlags, ProviderId,
    ProviderProperties, ProviderType, RebuildPriority, StripeSizes,
};
use vds_operation::{OperationKind, State};
use vds_plugin::{
    AfterCrash, Cancel, Declaration, Found, Initialize, Initialized, Limits, Nothing,
    OperationParams, Request, ServiceInfo, Start, Status, VERSION, Versions, View, ViewParams,
    Viewed, method,
};
use vds_provider as contract;

use crate::Options;
use crate::conversation::{Answered, Asked, Conversation};
use crate::launch::{self, Process, told};
use crate::trouble::{Step, Trouble, failed, skipped};

/// How long a provider may take to end by itself.
pub(crate) const EXIT_MAX: Duration = Duration::from_secs(5);
/// How long something that must not come is waited for.
pub(crate) const SILENCE: Duration = Duration::from_millis(200);
/// The pause between two looks at a state that no news tells.
const LOOK: Duration = Duration::from_millis(20);

/// What is known of the provider from earlier checks.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) id: Option<ProviderId>,
    /// The LUNs and the free bytes it began with.
    pub(crate) first: Option<(Vec<LunId>, u64)>,
}

/// The provider.
pub(crate) struct Subject<'a> {
    pub(crate) options: &'a Options,
    pub(crate) known: &'a mut Known,
    process: Process,
    pub(crate) conversation: Conversation,
    pub(crate) said: Initialized,
    begun: Vec<OperationId>,
    refused: Vec<OperationId>,
    note: Option<String>,
}

/// An id of chance.
pub(crate) fn fresh_id() -> OperationId {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    OperationId::from_bytes(bytes)
}

/// The parameters of `initialize`.
pub(crate) fn initialize(
    options: &Options,
    id: Option<ProviderId>,
    protocol: Versions,
) -> Initialize {
    let ms = u64::try_from(options.answer.as_millis()).unwrap_or(u64::MAX);
    Initialize {
        protocol,
        service: ServiceInfo {
            name: "vds".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        name: "test".to_owned(),
        provider: id,
        directories: options
            .orders
            .directories
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        network: options.orders.network,
        limits: Limits {
            answer_ms: ms,
            message_bytes_max: vds_plugin::FRAME_BYTES_MAX as u64,
            notification_bytes_max: vds_plugin::NOTIFICATION_BYTES_MAX as u64,
            notifications_per_second: 200,
            requests_max: 8,
            memory_bytes: options.orders.memory_bytes,
        },
    }
}

/// A process, and the conversation with it before its first question.
pub(crate) fn launched(options: &Options) -> Step<(Process, Conversation)> {
    let (process, stream) = launch::start(options)?;
    let conversation = Conversation::new(stream, options.answer)
        .map_err(|error| Trouble::Failed(format!("the socket cannot be used: {error}")))?;
    Ok((process, conversation))
}

/// Reads a result.
fn read<T: DeserializeOwned>(method: &str, answered: &Answered) -> Step<T> {
    match &answered.outcome {
        Ok(result) => serde_json::from_str(result.get()).map_err(|error| {
            Trouble::Failed(format!("the answer to `{method}` cannot be read: {error}"))
        }),
        Err(error) => {
            let refusal = error.refusal();
            let (result, message) = (refusal.result, refusal.message);
            failed(format!("`{method}` was refused with {result}: {message}"))
        }
    }
}

fn handshake(
    options: &Options,
    known: &Known,
    conversation: &mut Conversation,
) -> Step<Initialized> {
    let protocol = Versions { min: VERSION, max: VERSION };
    let asked = conversation.ask(method::INITIALIZE, &initialize(options, known.id, protocol))?;
    let said: Initialized = read(method::INITIALIZE, &conversation.answer(asked)?)?;
    if said.protocol != VERSION {
        let version = said.protocol;
        return failed(format!(
            "it chose version {version} of the protocol, {VERSION} was offered"
        ));
    }
    Ok(said)
}

impl<'a> Subject<'a> {
    /// Starts it and says hello. What it wrote comes with the failure.
    pub(crate) fn new(
        options: &'a Options,
        known: &'a mut Known,
    ) -> Result<Self, (Trouble, Vec<String>)> {
        let (mut process, mut conversation) =
            launched(options).map_err(|trouble| (trouble, Vec::new()))?;
        let said = match handshake(options, known, &mut conversation) {
            Ok(said) => said,
            Err(trouble) => {
                // Its last words arrive with its end.
                process.kill();
                return Err((trouble, process.log()));
            }
        };
        known.id.get_or_insert(said.provider.id);
        let (begun, refused, note) = (Vec::new(), Vec::new(), None);
        Ok(Self { options, known, process, conversation, said, begun, refused, note })
    }

    // Its process.

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, once the process before is gone.
    pub(crate) fn restart(&mut self) -> Step {
        self.process.kill();
        let (process, mut conversation) = launched(self.options)?;
        let said = handshake(self.options, self.known, &mut conversation);
        (self.process, self.conversation) = (process, conversation);
        self.said = said?;
        Ok(())
    }

    /// The number of its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it has ended by itself, and not by a signal.
    pub(crate) fn exits(&mut self, after: &str) -> Step {
        match self.process.wait_exit(EXIT_MAX) {
            Some(status) if status.code().is_some() => Ok(()),
            Some(status) => failed(format!("it {} after {after}", told(status))),
            None => {
                let seconds = EXIT_MAX.as_secs();
                failed(format!("it still ran {seconds} s after {after}"))
            }
        }
    }

    /// Tidies up, and ends it: politely after a check that passed.
    pub(crate) fn finish(&mut self, is_well: bool) {
        // What cannot be tidied up shows in the check for things left over.
        let _ = self.clean();
        if is_well && self.ask_and_read::<_, Nothing>(method::SHUTDOWN, &Nothing {}).is_ok() {
            let _ = self.process.wait_exit(EXIT_MAX);
        }
        self.process.kill();
    }

    /// Deletes the LUNs that this check has made.
    fn clean(&mut self) -> Step {
        if self.begun.is_empty() {
            return Ok(());
        }
        if self.view().is_err() {
            self.restart()?;
        }
        let begun = self.begun.iter().filter(|operation| !self.refused.contains(operation));
        for operation in begun.copied().collect::<Vec<_>>() {
            // What still runs may still make something. It is asked for: an end that was told may be that of an earlier
            // run of one that does its work twice.
            let until = Instant::now() + self.options.operation;
            while self.find(operation)?.is_some_and(|status| !status.is_ended())
                && Instant::now() < until
            {
                std::thread::sleep(LOOK);
            }
        }
        for lun in self.view()?.luns {
            if lun.made_by.is_some_and(|maker| self.begun.contains(&maker)) {
                self.delete(lun.id)?;
            }
        }
        Ok(())
    }

    /// The last lines it wrote.
    pub(crate) fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// Something worth knowing though the check passes.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.note = Some(note.into());
    }

    pub(crate) fn into_note(self) -> Option<String> {
        self.note
    }

    /// Fails if anything broke the protocol meanwhile.
    pub(crate) fn breaches(&self) -> Step {
        self.conversation.breach().map_or(Ok(()), failed)
    }

    // Questions.

    /// Asks and waits for the answer, whatever it is.
    pub(crate) fn call<P: Serialize>(
        &mut self,
        method: &'static str,
        params: &P,
    ) -> Step<Answered> {
        let asked = self.conversation.ask(method, params)?;
        self.answer(asked)
    }

    /// The answer to a question; if none comes because the process ended, how it ended.
    pub(crate) fn answer(&mut self, asked: Asked) -> Step<Answered> {
        self.conversation.answer(asked).map_err(|trouble| match trouble {
            Trouble::Failed(reason) if self.conversation.wait_over(Duration::ZERO) => {
                let status = self.process.wait_exit(SILENCE);
                let end = status.map_or(String::new(), |status| format!("; it {}", told(status)));
                Trouble::Failed(format!("{reason}{end}"))
            }
            trouble => trouble,
        })
    }

    /// Asks for something that must be answered with a result.
    pub(crate) fn ask_and_read<P: Serialize, T: DeserializeOwned>(
        &mut self,
        method: &'static str,
        params: &P,
    ) -> Step<T> {
        read(method, &self.call(method, params)?)
    }

    pub(crate) fn ping(&mut self) -> Step {
        self.ask_and_read::<_, Nothing>(method::PING, &Nothing {}).map(drop)
    }

    /// All objects as of now.
    pub(crate) fn view(&mut self) -> Step<View> {
        match self.ask_and_read(method::VIEW, &ViewParams::default())? {
            Viewed::View(view) => Ok(*view),
            Viewed::Unchanged { .. } => failed("the first view is said to be unchanged"),
        }
    }

    /// The view in the terms of the contract.
    pub(crate) fn contract_view(&self, view: &View) -> Step<contract::View> {
        let provider = ProviderProperties {
            id: self.said.provider.id,
            name: self.said.provider.name.clone(),
            version_id: [0; 16],
            version: self.said.provider.version.clone(),
            provider_type: ProviderType::Hardware,
            flags: ProviderFlags::empty(),
            stripe_sizes: StripeSizes::empty(),
            rebuild_priority: RebuildPriority::LOWEST,
        };
        let view = view.clone().into_contract(provider, identification);
        view.map_err(|error| Trouble::Failed(format!("the view cannot be: {error}")))
    }

    /// A view that adds up.
    pub(crate) fn sound_view(&mut self) -> Step<View> {
        let view = self.view()?;
        match contract::inspect_view(&self.contract_view(&view)?) {
            Ok(()) => Ok(view),
            Err(refusal) => failed(format!("the view does not add up: {}", refusal.message)),
        }
    }

    /// Looks at the view until it is as wanted.
    pub(crate) fn wait_view(&mut self, is_wanted: impl Fn(&View) -> bool) -> Step<Option<View>> {
        let until = Instant::now() + self.options.operation;
        loop {
            let view = self.view()?;
            if is_wanted(&view) {
                return Ok(Some(view));
            }
            if Instant::now() > until {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    // Operations.

    /// How operations of this kind end; without it the check is skipped.
    pub(crate) fn declared(&self, kind: OperationKind) -> Step<Declaration> {
        match self.said.declared(kind) {
            Some(declaration) => Ok(declaration.clone()),
            None => skipped(format!("{} is not declared", kind.code())),
        }
    }

    /// Whether it has an optional method; without it the check is skipped.
    pub(crate) fn has(&self, method: &str) -> Step {
        if self.said.has(method) { Ok(()) } else { skipped(format!("it has no `{method}`")) }
    }

    /// Parameters of `start`; what it makes is tidied up later.
    pub(crate) fn start_params(&mut self, operation: OperationId, request: &Request) -> Start {
        self.begun.push(operation);
        Start {
            operation,
            request: request.clone(),
            owner: "vds provider test".to_owned(),
            priority: 8,
            unix_ms: now_unix_ms(),
        }
    }

    /// Asks for an operation, whatever comes of it.
    pub(crate) fn start(&mut self, operation: OperationId, request: &Request) -> Step<Answered> {
        let params = self.start_params(operation, request);
        let asked = self.conversation.ask(method::START, &params)?;
        self.started(operation, asked)
    }

    /// The answer to a `start`.
    pub(crate) fn started(&mut self, operation: OperationId, asked: Asked) -> Step<Answered> {
        let answered = self.answer(asked)?;
        if answered.outcome.is_err() {
            self.refused.push(operation);
        }
        Ok(answered)
    }

    /// Begins an operation that must not be refused.
    pub(crate) fn begin(&mut self, request: &Request) -> Step<OperationId> {
        let operation = fresh_id();
        let answered = self.start(operation, request)?;
        let status: Status = read(method::START, &answered)?;
        if status.operation != operation {
            let found = status.operation;
            return failed(format!(
                "`start` of {operation} was answered with the status of {found}"
            ));
        }
        status.state().map_err(|error| Trouble::Failed(error.to_string()))?;
        Ok(operation)
    }

    /// Waits for an operation's end.
    pub(crate) fn end(&mut self, operation: OperationId) -> Step<Status> {
        if let Some(status) = self.conversation.wait_end(operation, self.options.operation) {
            return Ok(status);
        }
        let seconds = self.options.operation.as_secs();
        match self.find(operation)? {
            Some(status) if status.is_ended() => {
                failed(format!("operation {operation} ended and nobody was told"))
            }
            Some(status) => {
                failed(format!("operation {operation} is still {} after {seconds} s", status.state))
            }
            None => failed(format!("operation {operation} was begun and is not known any more")),
        }
    }

    /// What has become of an operation.
    pub(crate) fn find(&mut self, operation: OperationId) -> Step<Option<Status>> {
        let found: Found = self.ask_and_read(method::FIND, &OperationParams { operation })?;
        Ok(found.operation)
    }

    /// Does something from beginning to end, successfully.
    pub(crate) fn succeed(&mut self, request: &Request) -> Step<(OperationId, Status)> {
        let operation = self.begin(request)?;
        let status = self.end(operation)?;
        succeeded(&status)?;
        Ok((operation, status))
    }

    pub(crate) fn delete(&mut self, lun: LunId) -> Step {
        self.succeed(&Request::DeleteLun { lun }).map(drop)
    }

    /// Whether and until when creating a LUN can be cancelled.
    pub(crate) fn cancel_of(&self, kind: OperationKind) -> Step<Cancel> {
        Ok(self.declared(kind)?.cancel)
    }

    pub(crate) fn after_crash_of(&self, kind: OperationKind) -> Step<AfterCrash> {
        Ok(self.declared(kind)?.after_crash)
    }
}

/// Fails unless it ended well.
pub(crate) fn succeeded(status: &Status) -> Step {
    match status.state() {
        Ok(State::Succeeded) => Ok(()),
        Ok(state) => {
            let (result, message) = (status.result, &status.message);
            failed(format!("the operation ended {state} with {result}: {message}"))
        }
        Err(error) => failed(format!("the operation's status cannot be: {error}")),
    }
}

/// Whether a refusal or an end says that space is missing.
pub(crate) fn is_full(result: HResult) -> bool {
    result.as_vds() == HResult::VDS_E_NOT_ENOUGH_SPACE
}

/// What hosts would see of a LUN: the service's affair, and looked at by no check.
fn identification(lun: LunId) -> LunIdentification {
    LunIdentification {
        device_type: 0,
        device_type_modifier: 0,
        has_command_queueing: true,
        bus_type: BusType::Iscsi,
        vendor: None,
        product: None,
        revision: None,
        serial_number: Some(lun.to_string()),
        disk_signature: [0; 16],
        identifiers_version: LunIdentification::VERSION,
        identifiers: Vec::new(),
        interconnects: Vec::new(),
    }
}

/// Now, in milliseconds since 1970.
fn now_unix_ms() -> u64 {
    let since_1970 =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// Words for an error of the system.
pub(crate) fn of_system(what: &str, error: Errno) -> Trouble {
    Trouble::Failed(format!("{what}: {error}"))
}
