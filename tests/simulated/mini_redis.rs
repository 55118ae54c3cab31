//! As much of Redis, behind as much of an HTTP front, as pins need: for tests in virtual time.

use std::collections::BTreeMap;

use podpin::host::{CallResponse, Callout};
use serde_json::{Value, json};

/// How the HTTP front speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Front {
    Webdis,
    Upstash,
}

/// A Redis in memory.
#[derive(Clone, Debug)]
pub struct MiniRedis {
    pub front: Front,
    /// Values, and the millisecond at which each expires.
    pub data: BTreeMap<String, (String, u64)>,
    /// Every command so far.
    pub commands: Vec<Vec<String>>,
    /// What it answers instead of carrying out commands.
    pub fault: Option<CallResponse>,
}

impl MiniRedis {
    pub fn new(front: Front) -> Self {
        Self { front, data: BTreeMap::new(), commands: Vec::new(), fault: None }
    }

    /// The section `store` of a configuration that uses it.
    pub fn store(&self) -> Value {
        match self.front {
            Front::Webdis => json!({
                "kind": "redis", "cluster": "webdis", "user": "podpin", "password": "secret",
            }),
            Front::Upstash => json!({
                "kind": "redis", "cluster": "upstash", "authority": "upstash.example",
                "dialect": "upstash", "token": "secret",
            }),
        }
    }

    /// Answers a callout.
    pub fn response(&mut self, callout: &Callout, now: u64) -> CallResponse {
        let (cluster, authority, authorization) = match self.front {
            Front::Webdis => ("webdis", "webdis", "Basic cG9kcGluOnNlY3JldA=="),
            Front::Upstash => ("upstash", "upstash.example", "Bearer secret"),
        };
        assert_eq!((callout.cluster.as_str(), callout.authority.as_str()), (cluster, authority));
        assert_eq!((callout.method, callout.path.as_str()), ("POST", "/"));
        let found = callout.headers.iter().find(|(name, _)| *name == "authorization");
        assert_eq!(found.expect("authorization").1.0, authorization);
        let command: Vec<String> = match self.front {
            Front::Webdis => std::str::from_utf8(&callout.body)
                .expect("a path")
                .split('/')
                .map(percent_decoded)
                .collect(),
            Front::Upstash => serde_json::from_slice(&callout.body).expect("a list of strings"),
        };
        self.commands.push(command.clone());
        if let Some(fault) = &self.fault {
            return fault.clone();
        }
        let reply = self.execute(&command.iter().map(String::as_str).collect::<Vec<_>>(), now);
        let body = match self.front {
            Front::Webdis if reply == "OK" => json!({&command[0]: [true, reply]}),
            Front::Webdis => json!({&command[0]: reply}),
            Front::Upstash => json!({"result": reply}),
        };
        CallResponse { status: 200, body: body.to_string().into_bytes(), is_from_server: true }
    }

    fn execute(&mut self, command: &[&str], now: u64) -> Value {
        self.data.retain(|_, (_, expires)| *expires > now);
        let expires = |seconds: &str| now + 1000 * seconds.parse::<u64>().expect("seconds");
        match command {
            ["SET", key, value, "EX", seconds, over @ ("NX" | "XX")] => {
                if self.data.contains_key(*key) != (*over == "XX") {
                    return Value::Null;
                }
                self.data.insert((*key).to_owned(), ((*value).to_owned(), expires(seconds)));
                "OK".into()
            }
            ["GETEX", key, "EX", seconds] => match self.data.get_mut(*key) {
                Some((value, expiry)) => {
                    *expiry = expires(seconds);
                    value.clone().into()
                }
                None => Value::Null,
            },
            ["GET", key] => {
                self.data.get(*key).map_or(Value::Null, |(value, _)| value.clone().into())
            }
            _ => panic!("{command:?} is not a command that pins need"),
        }
    }
}

/// A part of a command as webdis reads it.
pub fn percent_decoded(part: &str) -> String {
    let mut pieces = part.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (hex, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(hex, 16).expect("two hex digits"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("UTF-8")
}
