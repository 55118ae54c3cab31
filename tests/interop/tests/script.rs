//! What every client does in each of its sessions with every server, and whether it came out alike.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use kit::interop::{Client, Program, Server, Transport};
use serde_json::{Value, json};

/// How many sessions of one client at a time.
pub(crate) const SESSIONS: usize = 10;

/// How many steps a call tells its progress of.
pub(crate) const STEPS: usize = 5;

/// What a step is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Feature {
    Tools,
    Progress,
    Sampling,
    Elicitation,
    Resumption,
    End,
}

impl Feature {
    pub(crate) const ALL: [Self; 6] = [
        Self::Tools,
        Self::Progress,
        Self::Sampling,
        Self::Elicitation,
        Self::Resumption,
        Self::End,
    ];

    /// In a cell of the table.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Tools => 'T',
            Self::Progress => 'P',
            Self::Sampling => 'S',
            Self::Elicitation => 'E',
            Self::Resumption => 'R',
            Self::End => 'D',
        }
    }
}

/// A tool of this server, and what it is called with.
pub(crate) fn tool(server: Server, feature: Feature) -> (&'static str, Value) {
    let everything = server == Server::Everything;
    match feature {
        Feature::Progress if everything => {
            ("trigger-long-running-operation", json!({"duration": 0.25, "steps": STEPS}))
        }
        Feature::Sampling if everything => ("trigger-sampling-request", json!({"prompt": "a"})),
        Feature::Elicitation if everything => ("trigger-elicitation-request", json!({})),
        Feature::Tools | Feature::End if everything => ("echo", json!({"message": "a"})),
        Feature::Progress => ("progress", json!({"steps": STEPS})),
        Feature::Sampling => ("sample", json!({"text": "a"})),
        Feature::Elicitation => ("elicit", json!({})),
        Feature::Resumption => ("interrupted", json!({"steps": STEPS})),
        Feature::Tools | Feature::End => ("bump", json!({"key": "a"})),
    }
}

/// The orders of one session.
fn steps(client: Client, server: Server, transport: Transport, url: &str) -> Vec<(Feature, Value)> {
    let call = |feature, progress: Option<usize>| {
        let (name, arguments) = tool(server, feature);
        let mut order = json!({"op": "call", "name": name, "arguments": arguments});
        if let Some(progress) = progress {
            order["progress"] = progress.into();
        }
        (feature, order)
    };
    let connect = json!({"op": "connect", "url": url, "transport": transport.name()});
    let mut steps = vec![
        (Feature::Tools, connect),
        (Feature::Tools, json!({"op": "tools"})),
        call(Feature::Tools, None),
        call(Feature::Tools, None),
        call(Feature::Progress, Some(STEPS)),
        call(Feature::Sampling, None),
        call(Feature::Elicitation, None),
        call(Feature::Resumption, Some(STEPS)),
        call(Feature::Tools, None),
        (Feature::Tools, json!({"op": "ping"})),
        (Feature::End, json!({"op": "close"})),
    ];
    // It would wait in vain until its time is up.
    steps.retain(|(feature, _)| client != Client::Java || *feature != Feature::Resumption);
    steps
}

/// What each step of each of so many sessions at a time came to.
pub(crate) struct Run {
    steps: Vec<(Feature, Value)>,
    sessions: Vec<Vec<Value>>,
}

impl Run {
    pub(crate) fn of(
        (client, program): (Client, &mut Program),
        server: Server,
        transport: Transport,
        url: &str,
    ) -> Result<Self> {
        let steps = steps(client, server, transport, url);
        let script: Vec<_> = steps.iter().map(|(_, order)| order.clone()).collect();
        let answer =
            program.order(&json!({"op": "together", "scripts": vec![script; SESSIONS]}))?;
        let sessions: Vec<Vec<Value>> = serde_json::from_value(answer["answers"].clone())?;
        ensure!(sessions.len() == SESSIONS, "{answer}");
        Ok(Self { steps, sessions })
    }

    /// What works in all sessions of both runs, and in the same way. Fails where one is unlike the others.
    pub(crate) fn compared(&self, straight: &Self, pair: &str) -> Result<BTreeMap<Feature, bool>> {
        let mut works = BTreeMap::new();
        for (number, (feature, order)) in self.steps.iter().enumerate() {
            let answer = |session: &Vec<Value>| plain(session.get(number).unwrap_or(&Value::Null));
            let wanted = straight.sessions.first().map(answer).unwrap_or_default();
            for (way, run) in [("straight to a pod", straight), ("through Podpin", self)] {
                for session in &run.sessions {
                    let got = &session[number];
                    ensure!(plain(got) == wanted, "{pair}, {way}: {order}: {got}, not {wanted}");
                }
            }
            *works.entry(*feature).or_insert(true) &= is_offered(order, &wanted);
        }
        Ok(works)
    }
}

/// An answer without what is of no matter: how an error is put, and in which order steps were noted, for
/// some SDKs handle each in a task of its own.
fn plain(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(members) = answer.as_object_mut() {
        members.remove("message");
    }
    if let Some(steps) = answer.get_mut("progress").and_then(Value::as_array_mut) {
        steps.sort_by(|one, other| one.as_f64().partial_cmp(&other.as_f64()).expect("numbers"));
    }
    answer
}

fn is_offered(order: &Value, answer: &Value) -> bool {
    let told = answer["progress"].as_array().map(Vec::len);
    answer["ok"] == true && told == order["progress"].as_u64().map(|wanted| wanted as usize)
}

/// The heading of a client, and its version where it has several.
pub(crate) fn name(client: Client) -> &'static str {
    match client {
        Client::Rmcp => "Rust `rmcp`",
        Client::Python1 | Client::Python2 => "Python `mcp`",
        Client::TypeScript1 => "TypeScript `sdk`",
        Client::TypeScript2 => "TypeScript `client`",
        Client::Go => "Go `go-sdk`",
        Client::Java => "Java `mcp`",
    }
}
