//! Redis commands as HTTP requests, and its replies as HTTP responses, in two dialects.
//!
//! A proxy-wasm module speaks HTTP only, so Redis stands behind a front. Commands travel in the
//! request's body, never in its URL: access logs must not hold keys.

use std::fmt;

use serde_json::{Value, json};

use crate::host::CallResponse;

/// What the HTTP front of the Redis speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// webdis: `SET/key/value`, each part percent-encoded; answers `{"SET":[true,"OK"]}`.
    Webdis,
    /// Upstash's REST protocol: `["SET","key","value"]`; answers `{"result":"OK"}`.
    Upstash,
}

/// A reply of Redis, as far as it matters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// A status such as `OK`, or a string.
    Text(String),
    /// An integer.
    Number(i64),
    /// Nothing.
    Nil,
}

/// Why there is no reply. It never holds a key or a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Redis refused the command.
    Redis(String),
    /// Its front gave no response, or none that makes sense.
    Front(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(fault) | Self::Front(fault) => f.write_str(fault),
        }
    }
}

impl Dialect {
    /// The body of the request that carries a command.
    pub fn request(self, command: &[String]) -> Vec<u8> {
        match self {
            Self::Webdis => {
                let parts: Vec<_> = command.iter().map(|part| percent_encoded(part)).collect();
                parts.join("/").into_bytes()
            }
            Self::Upstash => json!(command).to_string().into_bytes(),
        }
    }

    /// The reply in a response, or what is wrong with it.
    pub fn reply(self, response: &CallResponse) -> Result<Reply, Fault> {
        let body = serde_json::from_slice::<Value>(&response.body).ok();
        let body = body.as_ref().and_then(Value::as_object);
        // An error of Redis is worth more than the status it comes with.
        if let Some(error) = body.and_then(|body| self.error(body)) {
            // Its first word is its kind; the rest may quote the command.
            let kind = error.split(' ').next().unwrap_or_default();
            let kind = kind.escape_debug().take(40).collect::<String>();
            return Err(Fault::Redis(format!("it says {kind}")));
        }
        let fault = match (response.status, body) {
            (200, Some(body)) => {
                let value = match self {
                    Self::Upstash => body.get("result"),
                    Self::Webdis => body.values().next().filter(|_| body.len() == 1),
                };
                match value.and_then(read) {
                    Some(reply) => return Ok(reply),
                    None => "its response makes no sense".to_owned(),
                }
            }
            (200, None) => "its response is not a JSON object".to_owned(),
            (0, _) => "its response broke off".to_owned(),
            (401 | 403, _) => format!("it refuses the credentials ({})", response.status),
            (504, _) => "it did not answer in time".to_owned(),
            (status, _) => format!("it answers {status}"),
        };
        Err(Fault::Front(fault))
    }

    fn error(self, body: &serde_json::Map<String, Value>) -> Option<&str> {
        match self {
            Self::Upstash => body.get("error")?.as_str(),
            Self::Webdis => match body.values().next()?.as_array()?.as_slice() {
                [Value::Bool(false), Value::String(error)] => Some(error),
                _ => None,
            },
        }
    }
}

fn read(value: &Value) -> Option<Reply> {
    match value {
        Value::Null => Some(Reply::Nil),
        Value::String(text) => Some(Reply::Text(text.clone())),
        Value::Number(number) => Some(Reply::Number(number.as_i64()?)),
        // How webdis writes a status.
        Value::Array(items) => match items.as_slice() {
            [Value::Bool(true), Value::String(text)] => Some(Reply::Text(text.clone())),
            _ => None,
        },
        Value::Bool(_) | Value::Object(_) => None,
    }
}

/// Only letters, digits, `-`, `_` and `:` stay. A dot would begin the name of a format to webdis.
fn percent_encoded(part: &str) -> String {
    let mut encoded = String::with_capacity(part.len() * 3);
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b':' => {
                encoded.push(byte.into());
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_is_one_body() {
        let command = ["SET", "podpin:1a", r#"{"host":"a.b/c"}"#, "EX", "60"].map(str::to_owned);
        assert_eq!(
            Dialect::Webdis.request(&command),
            b"SET/podpin:1a/%7B%22host%22:%22a%2Eb%2Fc%22%7D/EX/60"
        );
        assert_eq!(
            Dialect::Upstash.request(&command),
            br#"["SET","podpin:1a","{\"host\":\"a.b/c\"}","EX","60"]"#
        );
    }

    #[test]
    fn replies_and_faults_are_told_apart() {
        use Dialect::{Upstash, Webdis};
        let ok = || Ok(Reply::Text("OK".into()));
        let redis = |fault: &str| Err(Fault::Redis(fault.into()));
        let front = |fault: &str| Err(Fault::Front(fault.into()));
        for (dialect, status, body, wanted) in [
            (Webdis, 200, r#"{"SET":[true,"OK"]}"#, ok()),
            (Webdis, 200, r#"{"SET":null}"#, Ok(Reply::Nil)),
            (Webdis, 200, r#"{"GETEX":"{}"}"#, Ok(Reply::Text("{}".into()))),
            (Webdis, 200, r#"{"DEL":1}"#, Ok(Reply::Number(1))),
            (Webdis, 200, r#"{"SET":[false,"READONLY no"]}"#, redis("it says READONLY")),
            (Webdis, 200, r#"{}"#, front("its response makes no sense")),
            (Webdis, 200, r#"{"SET":[true]}"#, front("its response makes no sense")),
            (Webdis, 200, r#"{"SET":"OK","GET":"OK"}"#, front("its response makes no sense")),
            (Webdis, 403, "", front("it refuses the credentials (403)")),
            (Webdis, 503, "", front("it answers 503")),
            (Upstash, 200, r#"{"result":"OK"}"#, ok()),
            (Upstash, 200, r#"{"result":null}"#, Ok(Reply::Nil)),
            (Upstash, 200, r#"{"result":1}"#, Ok(Reply::Number(1))),
            (Upstash, 400, r#"{"error":"ERR wrong"}"#, redis("it says ERR")),
            (Upstash, 401, r#"{"error":"Unauthorized"}"#, redis("it says Unauthorized")),
            (Upstash, 401, "", front("it refuses the credentials (401)")),
            (Upstash, 200, r#"{"results":"OK"}"#, front("its response makes no sense")),
            (Upstash, 200, r#"{"result":1.5}"#, front("its response makes no sense")),
            (Upstash, 200, r#"{"result":"#, front("its response is not a JSON object")),
            (Upstash, 200, "<html>", front("its response is not a JSON object")),
            (Upstash, 504, "upstream request timeout", front("it did not answer in time")),
            (Upstash, 0, "", front("its response broke off")),
        ] {
            let response = CallResponse { status, body: body.into(), is_from_server: true };
            assert_eq!(dialect.reply(&response), wanted, "{dialect:?} {status} {body}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(status: u16, body: Vec<u8>) {
            let response = CallResponse { status, body, is_from_server: true };
            let _ = Dialect::Webdis.reply(&response);
            let _ = Dialect::Upstash.reply(&response);
        }

        #[test]
        fn webdis_finds_each_part_again(parts in prop::collection::vec(".{0,20}", 1..5)) {
            let body = String::from_utf8(Dialect::Webdis.request(&parts)).unwrap();
            let found: Vec<_> = body.split('/').map(decoded).collect();
            prop_assert_eq!(found, parts);
            prop_assert!(!body.contains('.'));
        }
    }

    fn decoded(part: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = part.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            if *first == b'%' {
                let hex = std::str::from_utf8(&tail[..2]).unwrap();
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
                rest = &tail[2..];
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        String::from_utf8(bytes).unwrap()
    }
}
