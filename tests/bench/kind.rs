//! The requests that are measured.

use std::time::Duration;

use http::HeaderValue;
use kit::client::Ask;

use crate::pods::{ANSWER, EVENTS};

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    /// A call of a session that is known.
    Call,
    Initialize,
    /// A call of a version of MCP without sessions.
    Modern,
    /// None of Podpin's.
    AnotherPath,
    /// A call of a session with an answer of so many KB, or with so many of its own.
    Answer(usize),
    Sent(usize),
    /// A call of a session that is answered by a stream of events.
    Events,
    /// A call without session, of so many KB, with `method` where it is found last.
    Post(usize),
}

/// How the requests come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Regime {
    /// As fast as the proxy answers: it always has something to do.
    Full,
    /// [`PACE`] in a second: it often has nothing to do, and every request wakes it.
    Paced,
}

pub(crate) const PACE: f64 = 1500.0;

impl Regime {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "core full",
            Self::Paced => "1500/s",
        }
    }

    /// How long a load runs before it is measured: V8 compiles again what turns out to be called often. Whoever is called
    /// at a pace has been called as fast as it answers before.
    pub(crate) fn warm_up(self) -> Duration {
        match self {
            Self::Full => Duration::from_millis(100),
            Self::Paced => Duration::from_millis(25),
        }
    }

    /// Turns of a contender within a round, and how long each is.
    pub(crate) fn turns(self, kind: Kind) -> (usize, Duration) {
        match (self, kind) {
            (Self::Full, Kind::Call) => (10, Duration::from_millis(40)),
            // Each request takes about a millisecond.
            (Self::Full, Kind::Answer(1024) | Kind::Sent(1024) | Kind::Events) => {
                (5, Duration::from_millis(100))
            }
            (Self::Full, _) => (5, Duration::from_millis(40)),
            (Self::Paced, _) => (3, Duration::from_millis(200)),
        }
    }
}

impl Kind {
    pub(crate) const ALL: &[Self] = &[
        Self::Call,
        Self::Initialize,
        Self::Modern,
        Self::AnotherPath,
        Self::Answer(1),
        Self::Answer(64),
        Self::Answer(1024),
        Self::Sent(1024),
        Self::Events,
        Self::Post(64),
        Self::Post(256),
    ];

    pub(crate) fn name(self) -> String {
        match self {
            Self::Call => "call of a session".to_owned(),
            Self::Initialize => "initialize".to_owned(),
            Self::Modern => "call of 2026-07-28, without sessions".to_owned(),
            Self::AnotherPath => "another path".to_owned(),
            Self::Answer(1024) => "call, answer of 1 MB".to_owned(),
            Self::Answer(kb) => format!("call, answer of {kb} KB"),
            Self::Sent(1024) => "call of 1 MB".to_owned(),
            Self::Sent(kb) => format!("call of {kb} KB"),
            Self::Events => "call, answer of 200 events".to_owned(),
            Self::Post(kb) => format!("POST without session, {kb} KB"),
        }
    }

    /// Whether it is about the size of bodies, which is measured in every third round.
    pub(crate) fn is_rare(self) -> bool {
        matches!(self, Self::Answer(_) | Self::Sent(_) | Self::Events)
    }

    pub(crate) fn is_of_session(self) -> bool {
        !matches!(self, Self::Initialize | Self::Modern | Self::Post(_))
    }

    /// Without the session.
    pub(crate) fn ask(self) -> Ask {
        let call = || Ask::tool("count").header("mcp-protocol-version", "2025-11-25");
        match self {
            Self::Call => call(),
            Self::Initialize => Ask::initialize(),
            Self::Modern => Ask::tool("count")
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call")
                .header("mcp-name", "count"),
            Self::AnotherPath => call().at("/elsewhere"),
            Self::Answer(kb) => answered(call(), HeaderValue::from(kb * 1024)),
            Self::Events => answered(call(), HeaderValue::from_static(EVENTS)),
            Self::Sent(kb) | Self::Post(kb) => {
                let message = |text: &str| {
                    let params = format!(r#"{{"name":"count","arguments":{{"text":"{text}"}}}}"#);
                    format!(r#"{{"jsonrpc":"2.0","id":1,"params":{params},"method":"tools/call"}}"#)
                };
                let text = "x".repeat(kb * 1024 - message("").len());
                Ask { body: message(&text).into(), ..call() }
            }
        }
    }
}

fn answered(mut ask: Ask, size: HeaderValue) -> Ask {
    ask.headers.insert(ANSWER, size);
    ask
}
