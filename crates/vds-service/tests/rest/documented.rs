//! `docs/rest-api.md` has every route, and no other.

use std::collections::BTreeSet;
use std::path::Path;

use hyper::Method;

use crate::fixture::start;

const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

fn text_of(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(path).unwrap()
}

/// Method and path of each row of the page.
fn documented() -> BTreeSet<(String, String)> {
    let page = text_of("../../docs/rest-api.md");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (method, path) = (cells.next()?, cells.next()?.strip_prefix('`')?.strip_suffix('`')?);
        path.starts_with("/v1/").then(|| (method.to_owned(), path.to_owned()))
    });
    rows.collect()
}

/// Goal: whoever writes a client from the page asks for nothing that is not there, and misses nothing.
/// Method: every method on every path of the page, with names that lead nowhere; and as many paths as the source has routes.
#[tokio::test]
async fn every_route_is_on_the_page() {
    let documented = documented();
    let paths: BTreeSet<&str> = documented.iter().map(|(_, path)| path.as_str()).collect();
    let routes = text_of("src/rest.rs").matches(".route(").count();
    assert_eq!(paths.len(), routes, "paths of the page, routes of the source");
    let f = start().await;
    for path in paths {
        for method in METHODS {
            let is_documented = documented.contains(&(method.to_string(), path.to_owned()));
            let real = path.replace("{name}", "nothing-like-it").replace("{portal}", "nothing");
            if is_documented && path == "/v1/events" {
                let stream = f.client.open(method, &real, &[], "").await;
                assert!(stream.status().is_success(), "{path}");
                continue;
            }
            let reply = f.client.raw(method.clone(), &real, &[], "").await;
            let is_there = reply.body["code"] != "request.no_such_route";
            assert_eq!(is_there, is_documented, "{method} {path}: {}", reply.body);
        }
    }
    f.service.shutdown().await;
}
