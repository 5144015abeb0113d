//! A plug-in whose portals are looked at before it hears of them: it is this service that listens.

use std::sync::Arc;

use vds_model::{OperationId, ProviderId};
use vds_operation::Operation;
use vds_plugin_host::PluginProvider;
use vds_provider::{
    Answer, EventBatch, MaxSizeQuery, Plan, Provider, RawOperation, RawStart, Refusal, Request,
    StartContext, View,
};

use crate::embedded::{EmbeddedHost, check_address};

pub(super) struct Guarded {
    pub(super) plugin: PluginProvider,
    pub(super) host: Option<EmbeddedHost>,
}

impl Guarded {
    /// The address with a free port where it leaves the choice open.
    fn checked(&self, request: Request) -> Result<Request, Refusal> {
        let Request::AddPortal { subsystem, listen, announce } = request else {
            return Ok(request);
        };
        if self.host.as_ref().is_some_and(|host| host.listens(listen)) {
            let message = format!("another portal listens on {listen}");
            return Err(Refusal::new(vds_model::HResult::VDSX_E_LISTEN_FAILED, message));
        }
        let listen = check_address(listen)?;
        Ok(Request::AddPortal { subsystem, listen, announce })
    }
}

impl Provider for Guarded {
    fn id(&self) -> ProviderId {
        self.plugin.id()
    }

    fn view(&self) -> Answer<Arc<View>> {
        self.plugin.view()
    }

    fn plan(&self, request: Request) -> Answer<Result<Plan, Refusal>> {
        self.plugin.plan(request)
    }

    fn start(&self, context: StartContext, request: Request) -> Answer<RawStart> {
        match self.checked(request) {
            Ok(request) => Provider::start(&self.plugin, context, request),
            Err(refusal) => vds_provider::answer(RawStart::refused(refusal)),
        }
    }

    fn query_max_lun_create_size(&self, query: MaxSizeQuery) -> Answer<Result<u64, Refusal>> {
        self.plugin.query_max_lun_create_size(query)
    }

    fn find_operation(&self, id: OperationId) -> Answer<Option<Arc<dyn RawOperation>>> {
        self.plugin.find_operation(id)
    }

    fn operations(&self) -> Answer<Vec<Operation>> {
        self.plugin.operations()
    }

    fn next_events(&self, after: u64) -> Answer<EventBatch> {
        self.plugin.next_events(after)
    }
}
