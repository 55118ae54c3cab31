//! What a pod's answer to an MCP `ping` says about the session that it names.

use crate::host::CallResponse;
use crate::message::RpcAnswer;

/// Whether a pod knows a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It does.
    Alive,
    /// It does not.
    Lost,
    /// It cannot be reached.
    Unreachable,
    /// It did not say, or could not be asked.
    Unknown,
}

/// What a response says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Judgement {
    Clear(Answer),
    /// It may be about the session, or about all requests: a `ping` without a session tells.
    Unclear,
}

/// JSON-RPC: the server knows no such method, so it knows the session.
const METHOD_NOT_FOUND: i64 = -32601;

/// The codes by which servers say that they do not know a session: that of MCP's own SDKs, the one of
/// most servers that look sessions up by themselves, and JSON-RPC's for an invalid request.
const UNKNOWN_SESSION: [i64; 3] = [-32001, -32000, -32600];

/// Judges the response to a `ping` that names a session.
pub(super) fn judge(response: &CallResponse) -> Judgement {
    if !response.is_from_server {
        let is_refused = response.status == 503;
        let answer = if is_refused { Answer::Unreachable } else { Answer::Unknown };
        return Judgement::Clear(answer);
    }
    Judgement::Clear(match response.status {
        200..300 => said_in(&response.body),
        400 | 404 | 410 => Answer::Lost,
        401 | 503 => return Judgement::Unclear,
        _ => Answer::Unknown,
    })
}

/// Judges one of these by the response to the same `ping` without a session.
pub(super) fn compare(status: u16, without: &CallResponse) -> Answer {
    match without.is_from_server && without.status != status {
        true => Answer::Lost,
        false => Answer::Unknown,
    }
}

/// Whether what a server says in a success may mean that it does not know the session. A hint that is
/// worth a `ping`, and no more: any text may say so.
pub fn hints_at_loss(text: &[u8]) -> bool {
    let has_code = || UNKNOWN_SESSION.iter().any(|code| has(text, &code.to_string()));
    has(text, "\"error\"") && (has(text, "session") || has_code())
}

fn said_in(body: &[u8]) -> Answer {
    match RpcAnswer::read(body) {
        Some(RpcAnswer::Result) => Answer::Alive,
        Some(RpcAnswer::Error { code: Some(METHOD_NOT_FOUND), .. }) => Answer::Alive,
        Some(RpcAnswer::Error { code: Some(code), .. }) if UNKNOWN_SESSION.contains(&code) => {
            Answer::Lost
        }
        Some(RpcAnswer::Error { message, .. }) if has(message.as_bytes(), "session") => {
            Answer::Lost
        }
        Some(RpcAnswer::Error { .. }) | None => Answer::Unknown,
    }
}

/// Whether a text has a word, however it is capitalized.
fn has(text: &[u8], word: &str) -> bool {
    text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn response(status: u16, body: &str) -> CallResponse {
        CallResponse { status, body: body.into(), is_from_server: true }
    }

    #[test]
    fn an_answer_is_read_from_what_servers_say() {
        use Answer::{Alive, Lost, Unknown};
        let alive = r#"{"jsonrpc":"2.0","id":"podpin","result":{}}"#;
        let lost =
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#;
        for (about, status, body, wanted) in [
            ("JSON", 200, alive.to_owned(), Alive),
            ("an event", 200, format!("event: message\ndata: {alive}\n\n"), Alive),
            (
                "after a priming event",
                200,
                format!("id: 1\r\nretry: 3000\r\ndata: \r\n\r\ndata: {alive}\r\n\r\n"),
                Alive,
            ),
            (
                "after a notification",
                200,
                format!("data: {{\"method\":\"m\"}}\n\ndata: {lost}\n\n"),
                Lost,
            ),
            (
                "an event over two lines",
                200,
                "data: {\"id\":1,\ndata: \"result\":{}}\n\n".to_owned(),
                Alive,
            ),
            ("an error in a success", 200, lost.to_owned(), Lost),
            (
                "another code",
                200,
                r#"{"error":{"code":-32000,"message":"Bad Request"}}"#.to_owned(),
                Lost,
            ),
            (
                "only words",
                200,
                r#"{"error":{"code":4,"message":"no such Session"}}"#.to_owned(),
                Lost,
            ),
            (
                "no ping, but a session",
                200,
                r#"{"error":{"code":-32601,"message":"Method not found"}}"#.to_owned(),
                Alive,
            ),
            (
                "another error",
                200,
                r#"{"error":{"code":-32603,"message":"oops"}}"#.to_owned(),
                Unknown,
            ),
            ("null beside the result", 200, r#"{"error":null,"result":{}}"#.to_owned(), Alive),
            ("accepted", 202, String::new(), Unknown),
            ("a page", 200, "<html>".to_owned(), Unknown),
            ("most servers", 400, lost.to_owned(), Lost),
            ("SDKs", 404, String::new(), Lost),
            ("gone", 410, String::new(), Lost),
            ("forbidden", 403, String::new(), Unknown),
            ("a bug", 500, lost.to_owned(), Unknown),
        ] {
            assert_eq!(judge(&response(status, &body)), Judgement::Clear(wanted), "{about}");
        }
        for status in [401, 503] {
            assert_eq!(judge(&response(status, lost)), Judgement::Unclear);
            assert_eq!(
                compare(status, &response(status, "")),
                Unknown,
                "all requests are answered so"
            );
            assert_eq!(compare(status, &response(400, "")), Lost);
        }
        for (status, wanted) in [(503, Answer::Unreachable), (504, Unknown), (0, Unknown)] {
            let response = CallResponse { is_from_server: false, ..response(status, "") };
            assert_eq!(judge(&response), Judgement::Clear(wanted));
            assert_eq!(compare(401, &response), Unknown);
        }
    }

    #[test]
    fn a_success_hints_at_loss_by_an_error_about_sessions() {
        for (text, wanted) in [
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"gone"}}"#, true),
            (r#"data: {"error":{"code":1,"message":"No valid SESSION id"}}"#, true),
            (r#"{"error":{"code":-32602,"message":"unknown tool"}}"#, false),
            (r#"{"result":{"text":"a session"}}"#, false),
        ] {
            assert_eq!(hints_at_loss(text.as_bytes()), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_body_is_too_much(body: Vec<u8>, status: u16, is_from_server: bool) {
            judge(&CallResponse { status, body, is_from_server });
        }
    }
}
