//! Objects and what can be done to them, right and wrong.

use hyper::Method;
use serde_json::{Value, json};

use crate::fixture::{GIB, start};

#[tokio::test]
async fn a_lun_is_planned_made_changed_and_deleted() {
    let f = start().await;
    let body = json!({"name": "db1", "type": "mirror", "size_bytes": 10 * GIB,
        "unmasking_list": "iqn.2025-01.org.example:db", "hints": ["mostly_reads"]});
    let plan = f.client.post("/v1/luns/plan", &body).await;
    assert_eq!(plan.status, 200, "{}", plan.body);
    assert!(plan.body["raw_bytes"].as_u64().unwrap() >= 20 * GIB, "{}", plan.body);
    assert_eq!(plan.body["drives"][0]["drive_name"].as_str().map(str::is_empty), Some(false));
    assert_eq!(f.client.get("/v1/luns").await.body["items"], json!([]), "a plan changes nothing");

    let max = f.client.post("/v1/luns/max-size", &json!({"type": "simple"})).await;
    assert!(max.body["size_bytes"].as_u64().unwrap() > 0, "{}", max.body);

    let done = f.client.wait(&f.client.post("/v1/luns", &body).await).await;
    assert_eq!(done["state"], "succeeded", "{done}");
    assert_eq!((&done["percent"], &done["result"]), (&json!(100), &json!("S_OK")));
    assert_eq!(done["output"]["type_number"], 50);
    assert_eq!(done["output"]["object"]["noun"], "lun");
    let id = done["output"]["object"]["id"].as_str().unwrap();
    let from = done["owner"]["client"]["from"].as_str().unwrap();
    assert!(from.starts_with("unix socket, uid/gid/pid "), "{from}");

    // By name, by id, by the beginning of the id.
    for name in ["db1", id, &id[..8]] {
        let lun = f.client.get(&format!("/v1/luns/{name}")).await;
        assert_eq!(lun.status, 200, "{}", lun.body);
        assert_eq!(lun.body["size_bytes"], 10 * GIB);
        assert_eq!(lun.body["type"], "mirror");
        assert_eq!(lun.body["plexes"].as_array().map(Vec::len), Some(2));
        assert_eq!(lun.body["unmasking_list"], "iqn.2025-01.org.example:db");
    }
    // Entries are added to the list as it is, and taken from it.
    let patch = async |change: Value| {
        let changed = f.client.send(Method::PATCH, "/v1/luns/db1", &[], &change).await;
        assert_eq!(f.client.wait(&changed).await["state"], "succeeded", "{change}");
        f.client.get("/v1/luns/db1").await.body["unmasking_list"].clone()
    };
    let (a, db) = ("iqn.2025-01.org.example:a", "iqn.2025-01.org.example:db");
    assert_eq!(patch(json!({"unmask_add": a})).await, format!("{db};{a}"));
    assert_eq!(patch(json!({"unmask_remove": db})).await, a);
    assert_eq!(patch(json!({"unmask_add": db, "unmask_remove": a})).await, db);
    for (change, field) in [
        (json!({"name": "db2"}), "name"),
        (json!({"unmasking_list": ""}), "unmasking_list"),
        (json!({"caching": "write_through"}), "caching"),
        (json!({"status": "offline"}), "status"),
    ] {
        let changed = f.client.send(Method::PATCH, &format!("/v1/luns/{id}"), &[], &change).await;
        assert_eq!(f.client.wait(&changed).await["state"], "succeeded", "{change}");
        let lun = f.client.get(&format!("/v1/luns/{id}")).await;
        assert_eq!(lun.body[field], change[field]);
    }
    let extended = f.client.post("/v1/luns/db2/extend", &json!({"by_bytes": GIB})).await;
    assert_eq!(f.client.wait(&extended).await["state"], "succeeded");
    assert_eq!(f.client.get("/v1/luns/db2").await.body["size_bytes"], 11 * GIB);

    let deleted = f.client.send(Method::DELETE, "/v1/luns/db2", &[], &Value::Null).await;
    assert_eq!(f.client.wait(&deleted).await["state"], "succeeded");
    assert_eq!(f.client.get("/v1/luns/db2").await.status, 404);
    f.service.shutdown().await;
}

/// The one pool of an array is listed, found and named for a LUN.
#[tokio::test]
async fn a_lun_is_made_in_a_pool() {
    let f = start().await;
    let listed = f.client.get("/v1/pools").await.body;
    let pool = listed["items"][0].clone();
    assert_eq!(listed, json!({"items": [pool], "next": null}));
    assert_eq!((&pool["type"], &pool["luns"]), (&json!("primordial"), &json!([])));
    assert_eq!(pool["consumed_bytes"], 250 * GIB);
    assert_eq!(f.client.get("/v1/pools?subsystem=simulated%20array").await.body, listed);
    assert_eq!(f.client.get("/v1/pools?subsystem=nothing").await.status, 404);
    let id = pool["id"].as_str().unwrap();
    for name in [id, &id[..8], "simulated%20array"] {
        assert_eq!(f.client.get(&format!("/v1/pools/{name}")).await.body, pool);
    }
    let body = json!({"name": "db1", "size_bytes": GIB, "pool": id});
    let plan = f.client.post("/v1/luns/plan", &body).await;
    assert_eq!((plan.status.as_u16(), &plan.body["usable_bytes"]), (200, &json!(GIB)));
    let done = f.client.wait(&f.client.post("/v1/luns", &body).await).await;
    assert_eq!(done["state"], "succeeded", "{done}");
    let after = f.client.get(&format!("/v1/pools/{id}")).await.body;
    assert_eq!(after["luns"], json!([done["output"]["object"]["id"]]));
    assert_eq!(after["free_bytes"], 249 * GIB);
    for field in ["consumed_bytes", "managed_bytes", "drives", "attributes"] {
        assert_eq!(after[field], pool[field], "{field}");
    }
    f.service.shutdown().await;
}

/// What is wrong is answered with its status and code, and begins nothing.
#[tokio::test]
async fn wrong_requests_are_refused_by_name() {
    let f = start().await;
    let check = async |method: Method, path: &str, body: &str, expected: (u16, &str)| {
        let reply = f.client.raw(method, path, &[], body.to_owned()).await;
        let found = (reply.status.as_u16(), reply.body["code"].as_str().unwrap_or_default());
        assert_eq!(found, expected, "{path} {body}: {}", reply.body);
        for field in ["kind", "message", "hint", "request_id"] {
            assert!(reply.body[field].is_string(), "{field}: {}", reply.body);
        }
        let id = reply.headers["x-request-id"].to_str().unwrap();
        assert_eq!(reply.body["request_id"], id);
    };
    let post = Method::POST;
    check(Method::GET, "/v1/luns/nothing", "", (404, "object.not_found")).await;
    check(Method::GET, "/v1/drives/d99", "", (404, "drive.not_found")).await;
    check(Method::GET, "/v1/pools/nothing", "", (404, "object.not_found")).await;
    check(Method::PUT, "/v1/pools", "", (404, "request.no_such_route")).await;
    check(Method::GET, "/v1/nothing", "", (404, "request.no_such_route")).await;
    check(Method::PUT, "/v1/luns", "", (404, "request.no_such_route")).await;
    check(Method::GET, "/v1/luns?colour=red", "", (400, "request.malformed")).await;
    check(Method::GET, "/v1/operations?state=odd", "", (400, "request.malformed")).await;
    check(post.clone(), "/v1/luns", "{", (400, "request.malformed")).await;
    check(post.clone(), "/v1/luns", "", (400, "request.malformed")).await;
    check(post.clone(), "/v1/luns", r#"{"size_bytes": -1}"#, (400, "request.malformed")).await;
    let unknown = r#"{"size_bytes": 1, "colour": "red"}"#;
    check(post.clone(), "/v1/luns", unknown, (400, "request.malformed")).await;
    check(post.clone(), "/v1/luns", r#"{"size_bytes": 0}"#, (400, "size.zero")).await;
    let bad_type = r#"{"size_bytes": 1, "type": "raid99"}"#;
    check(post.clone(), "/v1/luns", bad_type, (400, "lun.invalid_type")).await;
    let bad_mask = r#"{"size_bytes": 1, "unmasking_list": "a;;b"}"#;
    check(post.clone(), "/v1/luns", bad_mask, (400, "mask.invalid")).await;
    let bad_hint = r#"{"size_bytes": 1, "hints": ["faster"]}"#;
    check(post.clone(), "/v1/luns", bad_hint, (400, "hints.invalid")).await;
    let bad_drive = r#"{"size_bytes": 1, "drives": ["d99"]}"#;
    check(post.clone(), "/v1/luns", bad_drive, (404, "drive.not_found")).await;
    let bad_pool = r#"{"size_bytes": 1, "pool": "p99"}"#;
    check(post.clone(), "/v1/luns", bad_pool, (404, "object.not_found")).await;
    let bad_portal = r#"{"listen": "somewhere"}"#;
    check(post.clone(), "/v1/portals", bad_portal, (400, "request.malformed")).await;
    let long = format!(r#"{{"size_bytes": 1, "name": "{}"}}"#, "x".repeat(2 << 20));
    check(post.clone(), "/v1/luns", &long, (400, "request.too_large")).await;
    let huge = r#"{"type": "simple", "size_bytes": 18446744073709551615}"#;
    let reply = f.client.raw(post.clone(), "/v1/luns", &[], huge).await;
    assert!(reply.status.is_client_error() || reply.status == 507, "{}", reply.body);
    assert_eq!(f.client.get("/v1/operations").await.body["items"], json!([]));
    let two = json!({"name": "a", "status": "offline"});
    f.client.wait(&f.client.post("/v1/luns", &json!({"size_bytes": GIB, "name": "a"})).await).await;
    let reply = f.client.send(Method::PATCH, "/v1/luns/a", &[], &two).await;
    assert_eq!((reply.status.as_u16(), &reply.body["code"]), (400, &json!("request.malformed")));
    f.service.shutdown().await;
}

#[tokio::test]
async fn secrets_go_in_and_never_come_out() {
    let f = start().await;
    let made = json!({"iscsi_name": "iqn.2025-01.org.example:t1", "name": "t1"});
    let made = f.client.wait(&f.client.post("/v1/targets", &made).await).await;
    assert_eq!(made["state"], "succeeded", "{made}");
    let chap = json!({"chap": {"initiator": {"user": "u", "secret": "swordfish-1234"}}});
    let set = f.client.send(Method::PUT, "/v1/targets/t1/chap", &[], &chap).await;
    assert_eq!(f.client.wait(&set).await["state"], "succeeded");
    let target = f.client.get("/v1/targets/t1").await;
    assert_eq!(target.body["is_chap_enabled"], true);
    assert_eq!(target.body["chap_user"], "u");
    for path in ["/v1/targets", "/v1/operations", "/v1/audit"] {
        assert!(!f.client.get(path).await.body.to_string().contains("swordfish"), "{path}");
    }
    let own = json!({"side": "initiator", "initiator": "iqn.2025-01.org.example:h",
        "secret_hex": "00ff00ff00ff00ff00ff00ff"});
    let refused = f.client.send(Method::PUT, "/v1/targets/t1/secret", &[], &own).await;
    let code = &refused.body["code"];
    assert_eq!(code, "request.not_supported", "the simulated array has one secret");
    for (wrong, code) in [
        (
            json!({"side": "initiator", "secret_hex": "0g0f0f0f0f0f0f0f0f0f0f0f"}),
            "request.malformed",
        ),
        (
            json!({"side": "initiator", "secret_hex": "0ff0f0f0f0f0f0f0f0f0f0f"}),
            "request.malformed",
        ),
        (json!({"side": "initiator", "secret_hex": "00"}), "chap.secret_length"),
        (json!({"side": "host", "secret_hex": null}), "request.malformed"),
        (json!({"side": "target", "initiator": "h", "secret_hex": null}), "request.malformed"),
    ] {
        let refused = f.client.send(Method::PUT, "/v1/targets/t1/secret", &[], &wrong).await;
        assert_eq!(refused.body["code"], code, "{wrong}");
    }
    let short = json!({"chap": {"initiator": {"user": "u", "secret": "short"}}});
    let refused = f.client.send(Method::PUT, "/v1/targets/t1/chap", &[], &short).await;
    assert_eq!(refused.body["code"], "chap.secret_length");
    let named = f.client.send(Method::PATCH, "/v1/targets/t1", &[], &json!({"name": "t2"})).await;
    assert_eq!(f.client.wait(&named).await["state"], "succeeded");
    assert_eq!(f.client.get("/v1/targets/t2").await.body["name"], "t2");
    f.service.shutdown().await;
}

#[tokio::test]
async fn everybody_beyond_this_machine_needs_a_confirmation() {
    let f = start().await;
    let portal = json!({"listen": "192.0.2.1:3260"});
    let added = f.client.wait(&f.client.post("/v1/portals", &portal).await).await;
    assert_eq!(added["state"], "succeeded", "{added}");
    let mut lun = json!({"name": "open", "size_bytes": GIB, "unmasking_list": "*"});
    let refused = f.client.post("/v1/luns", &lun).await;
    assert_eq!((refused.status.as_u16(), &refused.body["code"]), (409, &json!("portal.exposed")));
    lun["confirm_exposed"] = json!(true);
    assert_eq!(f.client.wait(&f.client.post("/v1/luns", &lun).await).await["state"], "succeeded");
    let second = f.client.post("/v1/portals", &json!({"listen": "192.0.2.2:3260"})).await;
    assert_eq!(second.body["code"], "portal.exposed");
    f.service.shutdown().await;
}

#[tokio::test]
async fn the_status_counts_and_lists_have_pages() {
    let f = start().await;
    for name in ["a", "b", "c"] {
        let lun = json!({"name": name, "size_bytes": GIB});
        f.client.wait(&f.client.post("/v1/luns", &lun).await).await;
    }
    let status = f.client.get("/v1/status").await.body;
    assert_eq!((&status["luns"], &status["drives"]), (&json!(3), &json!(3)), "{status}");
    assert_eq!(status["health"], "healthy", "{status}");
    assert_eq!(status["pid"], std::process::id());
    let mut names = Vec::new();
    let mut path = "/v1/luns?limit=2".to_owned();
    loop {
        let page = f.client.get(&path).await.body;
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|lun| lun["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/luns?limit=2&after={next}");
    }
    names.sort();
    assert_eq!(names, ["a", "b", "c"]);
    let newest = f.client.get("/v1/operations?limit=1").await.body;
    assert_eq!(newest["items"].as_array().map(Vec::len), Some(1));
    let next = newest["next"].as_str().unwrap();
    let rest = f.client.get(&format!("/v1/operations?after={next}")).await.body;
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(2));
    f.service.shutdown().await;
}

/// Goal: what is asked of one provider is done by that one, whichever is the first.
#[tokio::test]
async fn each_provider_is_refreshed_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let providers = [1, 2].map(|byte| {
        vds_provider::SimulatedProvider::new(vds_model::ProviderId::from_bytes([byte; 16]), &[GIB])
    });
    let mut config = crate::fixture::config(directory.path(), &providers[0]);
    let second = std::sync::Arc::new(providers[1].clone());
    config.providers.push(vds_service::Loaded { provider: second, resumes: false });
    let service = vds_service::Service::start(config).await.unwrap();
    let client = crate::client::Client::new(service.socket().unwrap());
    let id = |byte: u8| vds_model::ProviderId::from_bytes([byte; 16]).to_string();
    for (path, provider) in [
        ("/v1/refresh".to_owned(), id(1)),
        (format!("/v1/refresh?provider={}", id(2)), id(2)),
        (format!("/v1/reenumerate?provider={}", id(1)), id(1)),
        (format!("/v1/reenumerate?provider={}", id(2)), id(2)),
    ] {
        let begun = client.post(&path, &Value::Null).await;
        assert_eq!(begun.status, 202, "{path}: {}", begun.body);
        let ended = client.wait(&begun).await;
        assert_eq!(ended["state"], "succeeded", "{path}: {ended}");
        assert_eq!(ended["provider"], provider, "{path}");
    }
    let nobody = client.post("/v1/refresh?provider=nobody", &Value::Null).await;
    assert_eq!((nobody.status.as_u16(), &nobody.body["code"]), (404, &json!("object.not_found")));
    service.shutdown().await;
}
