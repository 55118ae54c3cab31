//! What a whole body says that holds the response to one request.

use serde_json::Value;

use super::sse::{EventData, Piece};

/// A JSON-RPC response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RpcAnswer {
    /// It has a result.
    Result,
    /// It is an error.
    Error {
        /// Its code, if that is a whole number.
        code: Option<i64>,
        /// Its message.
        message: String,
    },
}

impl RpcAnswer {
    /// Reads a body that is one JSON-RPC message, or events of which one is the response. `None` if it
    /// has none.
    pub fn read(body: &[u8]) -> Option<Self> {
        if let Ok(message) = serde_json::from_slice(body) {
            return Self::of(&message);
        }
        let (mut events, mut data) = (EventData::default(), Vec::new());
        for piece in body.iter().filter_map(|byte| events.read(*byte)) {
            match piece {
                Piece::Data(byte) => data.push(byte),
                Piece::EndOfEvent => {
                    let message = serde_json::from_slice(&std::mem::take(&mut data));
                    if let Some(answer) = message.ok().as_ref().and_then(Self::of) {
                        return Some(answer);
                    }
                }
            }
        }
        None
    }

    /// `None` if the message is no response.
    fn of(message: &Value) -> Option<Self> {
        match message.get("error").filter(|error| !error.is_null()) {
            Some(error) => Some(Self::Error {
                code: error.get("code").and_then(Value::as_i64),
                message: error
                    .get("message")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
            }),
            None => message.get("result").map(|_| Self::Result),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::mutated;
    use proptest::prelude::*;

    #[test]
    fn the_response_is_found_among_events() {
        let result = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"gone"}}"#;
        let is_error = || Some(RpcAnswer::Error { code: Some(-32001), message: "gone".into() });
        let unclear = Some(RpcAnswer::Error { code: None, message: String::new() });
        for (body, wanted) in [
            (result.to_owned(), Some(RpcAnswer::Result)),
            (error.to_owned(), is_error()),
            (format!("event: message\ndata: {result}\n\n"), Some(RpcAnswer::Result)),
            (format!("id: 1\r\ndata: \r\n\r\ndata: {error}\r\n\r\n"), is_error()),
            (format!("data: {{\"method\":\"m\"}}\n\ndata: {result}\n\n"), Some(RpcAnswer::Result)),
            ("data: {\"id\":1,\ndata: \"result\":{}}\n\n".to_owned(), Some(RpcAnswer::Result)),
            (r#"{"error":null,"result":{}}"#.to_owned(), Some(RpcAnswer::Result)),
            (r#"{"error":"oops"}"#.to_owned(), unclear),
            (r#"{"method":"ping"}"#.to_owned(), None),
            ("<html>".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(RpcAnswer::read(body.as_bytes()), wanted, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_is_too_much(body in mutated([
            "data: {\"id\":1,\"error\":{\"code\":-1}}\n\n",
            "{\"id\":1,\"error\":{\"code\":-1}}",
        ])) {
            RpcAnswer::read(&body);
        }
    }
}
