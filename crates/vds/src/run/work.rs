//! `vds operation` and `vds event`.

use vds_api::{CancelOutcome, Event, Operation, OperationFilter, OperationState, Owner};
use vds_model::HResult;

use super::short;
use crate::command::OperationVerb;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{self, Fields, Table, duration, moment};
use crate::progress::details;
use crate::wait;

/// A verb of `vds operation`.
pub(super) async fn operation(context: &Context, verb: OperationVerb) -> Result<(), Failure> {
    match verb {
        OperationVerb::List { watch: true, .. } => watch(context).await,
        OperationVerb::List { watch: false, running } => {
            let filter = OperationFilter { running, ..OperationFilter::default() };
            let mut operations = context.client.operations(&filter).await?;
            // The service gives the newest first; on a terminal the newest belongs where the eye is.
            if !context.global.json {
                operations.reverse();
            }
            context.show_list(operations, print_operations)
        }
        OperationVerb::Show { operation } => {
            let operation = context.client.operation(&operation).await?;
            context.show(&operation, print_operation)
        }
        OperationVerb::Wait { operation } => {
            let pending = context.client.pending(&operation).await?;
            context
                .finish(pending, async |operation| {
                    output::line(&format!("{} {} succeeded", operation.kind, operation.id))
                })
                .await
        }
        OperationVerb::Cancel { operation } => cancel(context, &operation).await,
        OperationVerb::Pause { operation } => {
            let operation = context.client.pause_operation(&operation).await?;
            context.show(&operation, |operation| told(operation, "is held"))
        }
        OperationVerb::Resume { operation } => {
            let operation = context.client.resume_operation(&operation).await?;
            context.show(&operation, |operation| told(operation, "goes on"))
        }
        OperationVerb::Priority { operation, priority } => {
            let operation = context.client.set_operation_priority(&operation, priority).await?;
            let what = format!("has priority {priority}");
            context.show(&operation, |operation| told(operation, &what))
        }
    }
}

fn told(operation: &Operation, what: &str) -> Result<(), Failure> {
    output::line(&format!("{} {} {what}", operation.kind, operation.id))
}

async fn cancel(context: &Context, name: &str) -> Result<(), Failure> {
    let mut pending = context.client.pending(name).await?;
    let answer = pending.cancel().await?;
    if let Some((result, why)) = wait::not_cancelled(answer.outcome) {
        return Err(Failure::NotCancelled { operation: pending.id().to_owned(), result, why });
    }
    if answer.outcome == CancelOutcome::Pending && !context.global.no_wait {
        let operation = wait::for_end(&context.global, pending).await?;
        if operation.state != OperationState::Cancelled {
            return Err(Failure::NotCancelled {
                operation: operation.id,
                result: HResult::VDS_E_CANCEL_TOO_LATE,
                why: "it ended first",
            });
        }
        return context.show(&operation, |operation| told(operation, "was cancelled"));
    }
    let what = match answer.outcome {
        CancelOutcome::Cancelled => "was cancelled",
        _ => "is being cancelled",
    };
    context.show(&answer, |answer| told(&answer.operation, what))
}

fn print_operations(operations: &[Operation]) -> Result<(), Failure> {
    let mut table = Table::new(&["ID", "KIND", "STATE", "DONE", "ASKED FOR", "TOOK", "DETAILS"]);
    for operation in operations {
        table.row([
            short(&operation.id),
            operation.kind.clone(),
            operation.state.to_string(),
            percent(operation),
            moment(operation.created_unix_ms),
            duration(operation.elapsed_ms),
            remark(operation),
        ]);
    }
    table.print("no operations")
}

fn percent(operation: &Operation) -> String {
    operation.percent.map(|percent| format!("{percent} %")).unwrap_or_default()
}

/// Why it failed, or how far it is.
fn remark(operation: &Operation) -> String {
    match &operation.error {
        Some(error) => format!("{}: {}", error.code, error.message),
        None if operation.is_ended() => String::new(),
        None => details(operation),
    }
}

fn print_operation(operation: &Operation) -> Result<(), Failure> {
    let mut fields = Fields::default();
    fields.add("id", &*operation.id);
    fields.add("kind", &*operation.kind);
    if let Some(subject) = &operation.subject {
        fields.add("on", format!("{} {}", subject.noun, subject.id));
    }
    fields.add("state", operation.state.code());
    fields.add("done", percent(operation));
    let details = remark(operation);
    if !details.is_empty() {
        fields.add("details", details);
    }
    if let Some(object) = operation.output.as_ref().and_then(|output| output.object.as_ref()) {
        fields.add("made", format!("{} {}", object.noun, object.id));
    }
    if let Some(result) = &operation.result {
        fields.add("result", &**result);
    }
    if let Some(error) = operation.error.as_ref().filter(|error| !error.hint.is_empty()) {
        fields.add("hint", &*error.hint);
    }
    fields.add(
        "owner",
        match &operation.owner {
            Owner::Client { name, from } => format!("{name}, from {from}"),
            Owner::Service { cause } => format!("the service: {cause}"),
        },
    );
    fields.add("priority", operation.priority.to_string());
    fields.add("can be cancelled", operation.cancel_support.replace('_', " "));
    fields.add("asked for", moment(operation.created_unix_ms));
    if let Some(ended) = operation.ended_unix_ms {
        fields.add("ended", moment(ended));
    }
    fields.add("took", duration(operation.elapsed_ms));
    fields.print()
}

/// Operations as they move, one line each time, until Ctrl-C.
async fn watch(context: &Context) -> Result<(), Failure> {
    let mut events = context.client.events(None).await?;
    let filter = OperationFilter { running: true, ..OperationFilter::default() };
    let mut running = context.client.operations(&filter).await?;
    running.reverse();
    for operation in &running {
        print_moving(context, operation)?;
    }
    let mut interrupts = wait::interrupts()?;
    let mut last = String::new();
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            _ = interrupts.recv() => return Ok(()),
        };
        let Some(event) = event else { return Ok(()) };
        let Some(operation) = event.operation else { continue };
        // Only what a reader would see as a change.
        let line = moving(&operation);
        if line != last {
            print_moving(context, &operation)?;
            last = line;
        }
    }
}

fn print_moving(context: &Context, operation: &Operation) -> Result<(), Failure> {
    if context.global.json {
        output::json_line(operation)
    } else {
        output::line(&moving(operation))
    }
}

fn moving(operation: &Operation) -> String {
    let line = format!(
        "{}  {:14} {:10} {:>5}  {}",
        short(&operation.id),
        operation.kind,
        operation.state,
        percent(operation),
        remark(operation)
    );
    output::shown(line.trim_end())
}

/// Everything that happens, until Ctrl-C.
pub(super) async fn events(context: &Context) -> Result<(), Failure> {
    let mut events = context.client.events(None).await?;
    let mut interrupts = wait::interrupts()?;
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            _ = interrupts.recv() => return Ok(()),
        };
        let Some(event) = event else { return Ok(()) };
        if context.global.json {
            output::json_line(&event)?;
        } else {
            for line in lines(&event) {
                output::line(&line)?;
            }
        }
    }
}

fn lines(event: &Event) -> Vec<String> {
    let when = moment(event.unix_ms);
    let mut lines = Vec::new();
    if event.is_gap {
        lines.push(format!("{when}  events were lost: look at everything again"));
    }
    for change in &event.changes {
        let object = &change.object;
        lines.push(format!("{when}  {}  {} {}", change.name, object.noun, object.id));
    }
    if let Some(operation) = &event.operation {
        lines.push(format!("{when}  operation  {}", moving(operation)));
    }
    lines.iter().map(|line| output::shown(line)).collect()
}
