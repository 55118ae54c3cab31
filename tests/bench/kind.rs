//! The requests that are measured.

use kit::client::Ask;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    /// None of Podpin's.
    AnotherPath,
    /// A call of a session that is known.
    Call,
    Initialize,
    /// A call without session, of this many KB, with `method` where it is found last.
    Post(usize),
}

impl Kind {
    pub(crate) const ALL: &[Self] =
        &[Self::AnotherPath, Self::Call, Self::Initialize, Self::Post(64), Self::Post(256)];

    pub(crate) fn name(self) -> String {
        match self {
            Self::AnotherPath => "another path".to_owned(),
            Self::Call => "call of a session".to_owned(),
            Self::Initialize => "initialize".to_owned(),
            Self::Post(kb) => format!("POST without session, {kb} KB"),
        }
    }

    /// How many each connection sends in a turn, which is then of 20 ms or so.
    pub(crate) fn requests(self) -> usize {
        match self {
            Self::AnotherPath | Self::Call | Self::Initialize => 12,
            Self::Post(64) => 4,
            Self::Post(_) => 2,
        }
    }

    pub(crate) fn ask(self, session: &str) -> Ask {
        match self {
            Self::AnotherPath => Ask::tool("count").session(session).at("/elsewhere"),
            Self::Call => Ask::tool("count").session(session),
            Self::Initialize => Ask::initialize(),
            Self::Post(kb) => {
                let message = |text: &str| {
                    let params = format!(r#"{{"name":"count","arguments":{{"text":"{text}"}}}}"#);
                    format!(r#"{{"jsonrpc":"2.0","id":1,"params":{params},"method":"tools/call"}}"#)
                };
                let text = "x".repeat(kb * 1024 - message("").len());
                Ask { body: message(&text).into(), ..Ask::tool("count") }
            }
        }
    }
}
