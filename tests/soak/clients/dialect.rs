//! Clients of servers that say in many ways that they do not know a session.

use anyhow::Result;
use kit::client::Ask;
use kit::dialects::{DIALECT, DIALECTS};
use serde_json::json;

use super::{Answer, Client};

/// A session is closed after about so many calls.
const CALLS: usize = 60;

pub(super) async fn run(mut client: Client) -> Result<()> {
    let dialect = DIALECTS[client.number % DIALECTS.len()];
    let mut session = None;
    while client.goes_on().await? {
        let Some(mut open) = session.take() else {
            session = client.open(Ask::initialize().header(DIALECT, dialect)).await;
            continue;
        };
        let closes = client.dice.once_in(CALLS);
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let ask = if closes { Ask::delete() } else { Ask::post(message) };
        let ask = ask.session(&open.id).header(DIALECT, dialect);
        let Answer::Got(got) = client.ask(ask, Some(&open)).await else {
            session = Some(open);
            continue;
        };
        match got.status {
            // Of the dialect that says so in a success; the next call is answered 404.
            200 if dialect == "200" && got.text.contains("No valid session") => {
                client.lose_session(&open, &got);
                if closes {
                    continue;
                }
            }
            200 if closes => {
                client.served(&mut open, &got);
                continue;
            }
            200 if got.text.contains("\"result\"") => client.served(&mut open, &got),
            404 => {
                // The only one on which clients open another session.
                if !got.text.contains("-32001") {
                    client.wrong(format!("told 404 and {:?}", got.text));
                }
                client.lose_session(&open, &got);
                continue;
            }
            500 | 503 | 504 => client.lose_call(&open, &got),
            _ => client.wrong(got.told()),
        }
        session = Some(open);
    }
    Ok(())
}
