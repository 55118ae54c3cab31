//! Clients of what Podpin must not touch: the protocol version without sessions, and other paths.

use anyhow::Result;
use http::Method;
use kit::client::Ask;
use serde_json::{Value, json};

use super::{Answer, Client};
use crate::ledger::{Loss, Place};
use crate::server::{LATER, digest};
use crate::tally::{Kind, Lost};

pub(super) async fn run(mut client: Client) -> Result<()> {
    while client.goes_on().await? {
        let word = format!("{:016x}", client.dice.next());
        let ask = match client.kind {
            Kind::Later => {
                let params = json!({"name": "anything", "arguments": {"text": word}});
                let message =
                    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
                let ask = Ask::post(message).header("mcp-protocol-version", LATER);
                // Which means nothing there.
                if client.dice.once_in(2) { ask.session(&word) } else { ask }
            }
            _ => {
                let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
                let method = methods[client.dice.below(methods.len())].clone();
                let length = client.dice.below(64 << 10);
                let body = if method == Method::GET { Vec::new() } else { vec![b'x'; length] };
                Ask::new(method, body).at("/other/path?a=b").session(&word)
            }
        };
        let ask = ask.header("x-word", &word);
        let Answer::Got(got) = client.ask(ask.clone(), None).await else { continue };
        match got.status {
            200 => {
                if let Some(change) = change(&ask, &got.text) {
                    client.wrong(format!("{change}: {ask:?} became {}", got.text));
                }
                client.well += 1;
                client.soak.tally.did(client.kind, |done| done.calls += 1);
            }
            _ => {
                let place = Place { pod: got.pod(), envoy: Some(got.envoy.number), knows: true };
                let loss = Loss::Call(got.began, Some(got.status));
                client.lose(Lost::Call, place, loss, &got.told());
            }
        }
    }
    Ok(())
}

/// What is not as it was sent.
fn change(ask: &Ask, told: &str) -> Option<&'static str> {
    let Ok(told) = serde_json::from_str::<Value>(told) else { return Some("no JSON") };
    let headers = told["headers"].as_array().cloned().unwrap_or_default();
    let is_there = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let sent = json!([name.as_str(), value.to_str().unwrap_or_default()]);
        headers.contains(&sent)
    };
    let has_own = headers
        .iter()
        .any(|header| header[0].as_str().is_some_and(|name| name.starts_with("x-podpin")));
    match () {
        () if told["method"] != ask.method.as_str() => Some("another method"),
        () if told["target"] != ask.path.as_str() => Some("another path"),
        () if told["body"] != digest(&ask.body) => Some("another body"),
        () if !ask.headers.iter().all(is_there) => Some("a header is missing"),
        () if has_own => Some("a header of Podpin's"),
        () => None,
    }
}
