//! Operations: keys, waiting, cancelling, events.

use http_body_util::BodyExt;
use hyper::Method;
use serde_json::{Value, json};
use vds_model::HResult;
use vds_operation::OperationKind;
use vds_provider::{Misbehaviour, Pace};

use crate::fixture::{GIB, start};

const KEY: [(&str, &str); 1] = [("idempotency-key", "k1")];

#[tokio::test]
async fn a_key_finds_the_same_operation_and_no_other() {
    let f = start().await;
    let body = json!({"name": "db1", "size_bytes": GIB});
    let first = f.client.send(Method::POST, "/v1/luns", &KEY, &body).await;
    f.client.wait(&first).await;
    let second = f.client.send(Method::POST, "/v1/luns", &KEY, &body).await;
    assert_eq!((second.status.as_u16(), &second.body["id"]), (202, &first.body["id"]));
    let other = json!({"name": "db2", "size_bytes": GIB});
    let other = f.client.send(Method::POST, "/v1/luns", &KEY, &other).await;
    assert_eq!(
        (other.status.as_u16(), &other.body["code"]),
        (409, &json!("operation.key_conflict"))
    );
    let long = "x".repeat(129);
    let refused =
        f.client.send(Method::POST, "/v1/luns", &[("idempotency-key", &long)], &body).await;
    assert_eq!(refused.body["code"], "request.malformed");
    assert_eq!(f.provider.luns().len(), 1);
    f.service.shutdown().await;
}

/// Many at once with one key: one LUN, and everybody is told of the same operation.
#[tokio::test]
async fn a_race_with_one_key_makes_one_lun() {
    let f = start().await;
    let body = json!({"name": "db1", "size_bytes": GIB});
    let requests = (0..8).map(|_| f.client.send(Method::POST, "/v1/luns", &KEY, &body));
    let replies = futures_util::future::join_all(requests).await;
    for reply in &replies {
        assert_eq!((reply.status.as_u16(), &reply.body["id"]), (202, &replies[0].body["id"]));
    }
    assert_eq!(f.provider.luns().len(), 1);
    f.service.shutdown().await;
}

#[tokio::test]
async fn a_long_poll_sees_progress_then_the_end() {
    let f = start().await;
    f.provider.set_pace(Pace::Stepwise);
    let begun = f.client.post("/v1/luns", &json!({"name": "db1", "size_bytes": GIB})).await;
    assert_eq!(begun.status, 202);
    let location = begun.headers["location"].to_str().unwrap().to_owned();
    // The time runs out, the work goes on.
    let running = f.client.get(&format!("{location}?wait_ms=20")).await;
    assert_eq!(running.body["ended_unix_ms"], Value::Null);
    let mut percent = 0;
    let mut version = running.body["version"].as_u64().unwrap();
    while percent < 100 {
        f.provider.advance();
        let news = f.client.get(&format!("{location}?wait_ms=10000&seen_version={version}")).await;
        version = news.body["version"].as_u64().unwrap();
        let now = news.body["percent"].as_u64().unwrap_or(percent);
        assert!(now >= percent, "{}", news.body);
        percent = now;
    }
    let ended = f.client.get(&format!("{location}?wait_ms=10000")).await;
    assert_eq!(ended.body["state"], "succeeded");
    f.service.shutdown().await;
}

#[tokio::test]
async fn a_cancel_is_answered() {
    let f = start().await;
    f.provider.set_pace(Pace::Stepwise);
    let begun = f.client.post("/v1/luns", &json!({"name": "db1", "size_bytes": GIB})).await;
    let cancel = format!("{}/cancel", begun.headers["location"].to_str().unwrap());
    let (answer, ()) = tokio::join!(f.client.post(&cancel, &Value::Null), async {
        // The provider notices at its next step.
        while f.provider.is_working() {
            f.provider.advance();
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(answer.body["outcome"], "cancelled", "{}", answer.body);
    assert_eq!(answer.body["operation"]["state"], "cancelled");
    assert_eq!(answer.body["operation"]["error"]["code"], "operation.canceled");
    assert!(f.provider.luns().is_empty());

    f.provider.set_pace(Pace::AtOnce);
    let begun = f.client.post("/v1/luns", &json!({"name": "db2", "size_bytes": GIB})).await;
    let done = f.client.wait(&begun).await;
    let cancel = format!("/v1/operations/{}/cancel", done["id"].as_str().unwrap());
    let late = f.client.post(&cancel, &Value::Null).await;
    assert_eq!(
        (&late.body["outcome"], &late.body["result"]),
        (&json!("too_late"), &json!("VDS_E_CANCEL_TOO_LATE"))
    );
    let paused = f.client.post(&cancel.replace("cancel", "pause"), &Value::Null).await;
    assert_eq!(paused.status, 501, "{}", paused.body);
    f.service.shutdown().await;
}

/// What a provider does wrong is the operation's failure, with its code, and shown with the provider.
#[tokio::test]
async fn a_provider_that_fails_fails_its_operation_only() {
    let f = start().await;
    let full = HResult::VDS_E_NOT_ENOUGH_SPACE;
    f.provider.misbehave(OperationKind::CreateLun, [Misbehaviour::FailWork(full)]);
    let body = json!({"name": "db1", "size_bytes": GIB});
    let failed = f.client.wait(&f.client.post("/v1/luns", &body).await).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    assert_eq!(failed["error"]["name"], "VDS_E_NOT_ENOUGH_SPACE");
    assert_eq!(failed["percent"], 0);

    f.provider.misbehave(OperationKind::CreateLun, [Misbehaviour::NoOutput]);
    let breach = f.client.wait(&f.client.post("/v1/luns", &body).await).await;
    assert_eq!(breach["error"]["code"], "provider.no_output", "{breach}");
    assert!(f.provider.luns().is_empty(), "what a bad answer made is removed");
    let provider = &f.client.get("/v1/providers").await.body["items"][0];
    assert_eq!(provider["is_trusted"], false, "{provider}");
    let good = f.client.wait(&f.client.post("/v1/luns", &body).await).await;
    assert_eq!(good["state"], "succeeded", "{good}");
    f.service.shutdown().await;
}

#[tokio::test]
async fn events_come_in_order_and_are_found_again() {
    let f = start().await;
    let read = async |path: &str, until: &str| {
        let stream = f.client.open(Method::GET, path, &[], "").await;
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let mut body = stream.into_body();
        let mut text = String::new();
        while !text.contains(until) {
            let frame = body.frame().await.unwrap().unwrap();
            text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
        text
    };
    let made = json!({"name": "db1", "size_bytes": GIB});
    f.client.wait(&f.client.post("/v1/luns", &made).await).await;
    let text = read("/v1/events?after=0", r#""state":"succeeded""#).await;
    assert!(text.contains("event: operation"), "{text}");
    assert!(text.contains("VDS_NF_LUN_ARRIVE"), "{text}");
    let numbers: Vec<u64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .map(|number| number.parse().unwrap())
        .collect();
    assert!(numbers.is_sorted() && numbers[0] == 1, "{numbers:?}");
    let last = numbers.last().unwrap();
    let other = json!({"name": "db2", "size_bytes": GIB});
    f.client.wait(&f.client.post("/v1/luns", &other).await).await;
    let more = read(&format!("/v1/events?after={last}"), "VDS_NF_LUN_ARRIVE").await;
    assert!(more.starts_with(&format!("id: {}\n", last + 1)), "{more}");
    f.service.shutdown().await;
}

#[tokio::test]
async fn the_audit_trail_tells_who_asked_and_what_came_of_it() {
    let f = start().await;
    let made = json!({"name": "db1", "size_bytes": GIB});
    let chosen = [("x-request-id", "mine-1")];
    let begun = f.client.send(Method::POST, "/v1/luns", &chosen, &made).await;
    assert_eq!(begun.headers["x-request-id"], "mine-1");
    f.client.wait(&begun).await;
    f.client.post("/v1/luns/plan", &made).await;
    f.client.send(Method::DELETE, "/v1/luns/nothing", &[], &Value::Null).await;
    // Entries are written beside the requests: wait for the second.
    let rows = loop {
        let rows = f.client.get("/v1/audit").await.body["items"].as_array().unwrap().clone();
        if rows.len() >= 2 {
            break rows;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0]["what"], "DELETE /v1/luns/nothing");
    assert_eq!(rows[0]["code"], "object.not_found");
    assert_eq!(rows[1]["operation"], begun.body["id"]);
    assert_eq!(rows[1]["request_id"], "mine-1");
    f.service.shutdown().await;
}
