//! Whether the service is ready.

use hyper::StatusCode;
use serde_json::json;

use crate::fixture::start;

#[tokio::test]
async fn a_service_that_runs_is_ready_at_once() {
    let f = start().await;
    for query in ["", "?wait_ms=60000"] {
        let reply = f.client.get(&format!("/v1/ready{query}")).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.body, json!({"state": "ready", "waits_for": [], "message": null}));
    }
    for query in ["?wait_ms=soon", "?wait_s=1"] {
        let reply = f.client.get(&format!("/v1/ready{query}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}: {}", reply.body);
    }
    f.service.shutdown().await;
}
