//! The top level of one JSON object, byte by byte, in constant memory.
//!
//! Not a validator: the pod judges what is wrong. It yields what a JSON parser would yield of a
//! valid text (RFC 8259), and anything without a panic of an invalid one.

/// Keys and texts are kept up to this many bytes, where nothing else is said; a longer one never equals what is
/// looked for.
const FEW: usize = 16;

/// What a byte completed.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Token<'a> {
    /// The key of a member of the top-level object, unescaped.
    Key(&'a [u8]),
    /// The value of such a member, if it is a string, unescaped.
    Text(&'a [u8]),
    /// Its value begins and is no string: null if the byte is an `n`.
    Other(u8),
    /// The top level is an array. Nothing more follows.
    Array,
    /// The top-level object ended. Nothing more follows.
    End,
    /// The text is no JSON object or array. Nothing more follows.
    Broken,
}

#[derive(Clone, Debug)]
pub(super) struct Json<const KEPT: usize = FEW> {
    state: State,
    /// Whether the string at hand is a key.
    key: bool,
    kept: [u8; KEPT],
    length: usize,
}

impl<const KEPT: usize> Default for Json<KEPT> {
    fn default() -> Self {
        Self { state: State::Start, key: false, kept: [0; KEPT], length: 0 }
    }
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Start,
    /// Before a key or the end of the object.
    Members,
    /// In a string of the top level.
    Text(Escape),
    Colon,
    Value,
    /// In a number or literal.
    Scalar,
    /// In an object or array, so many levels deep.
    Nested(u32),
    /// In a string of it.
    NestedText(u32, Escape),
    /// After a value.
    Comma,
    Done,
}

#[derive(Clone, Copy, Debug)]
enum Escape {
    No,
    Backslash,
    /// So many hex digits of a code unit, and their value.
    Unit(u8, u16),
}

impl<const KEPT: usize> Json<KEPT> {
    pub(super) fn read(&mut self, byte: u8) -> Option<Token<'_>> {
        use State::*;
        let space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.state = match (self.state, byte) {
            (Text(escape), _) => return self.read_text(escape, byte),
            (NestedText(depth, Escape::No), b'"') => Nested(depth),
            (NestedText(depth, Escape::No), b'\\') => NestedText(depth, Escape::Backslash),
            (NestedText(depth, _), _) => NestedText(depth, Escape::No),
            (Nested(depth), b'"') => NestedText(depth, Escape::No),
            (Nested(depth), b'{' | b'[') => Nested(depth.saturating_add(1)),
            (Nested(1), b'}' | b']') => Comma,
            (Nested(depth), b'}' | b']') => Nested(depth.saturating_sub(1)),
            (Nested(depth), _) => Nested(depth),
            (Done, _) => Done,
            (Scalar | Comma, b',') => Members,
            (Members | Scalar | Comma, b'}') => return self.end(Token::End),
            (Scalar, _) => {
                if space {
                    Comma
                } else {
                    Scalar
                }
            }
            (state, _) if space => state,
            (Start, b'{') => Members,
            (Start, b'[') => return self.end(Token::Array),
            (Members, b'"') => self.start_text(true),
            (Colon, b':') => Value,
            (Value, b'"') => self.start_text(false),
            (Value, b'{' | b'[') => return self.begin(Nested(1), byte),
            (Value, b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => return self.begin(Scalar, byte),
            (Start | Members | Colon | Value | Comma, _) => return self.end(Token::Broken),
        };
        None
    }

    /// How many of the bytes that come next change nothing: what lies within a string or a nested
    /// value, up to the next byte that could end it.
    pub(super) fn skips(&self, next: &[u8]) -> usize {
        let upto =
            |ends: fn(u8) -> bool| next.iter().position(|byte| ends(*byte)).unwrap_or(next.len());
        match self.state {
            State::NestedText(_, Escape::No) => upto(|byte| matches!(byte, b'"' | b'\\')),
            State::Nested(_) => upto(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']')),
            State::Text(Escape::No) if self.is_too_long() => {
                upto(|byte| matches!(byte, b'"' | b'\\'))
            }
            _ => 0,
        }
    }

    /// The string at hand is longer than anything that is looked for.
    fn is_too_long(&self) -> bool {
        self.length == KEPT && self.kept == [0; KEPT]
    }

    fn start_text(&mut self, key: bool) -> State {
        self.key = key;
        self.length = 0;
        State::Text(Escape::No)
    }

    fn read_text(&mut self, escape: Escape, byte: u8) -> Option<Token<'_>> {
        let (escape, literal) = match (escape, byte) {
            (Escape::No, b'"') => {
                self.state = if self.key { State::Colon } else { State::Comma };
                let kept = self.kept.get(..self.length).unwrap_or(b"");
                return Some(if self.key { Token::Key(kept) } else { Token::Text(kept) });
            }
            (Escape::No, b'\\') => (Escape::Backslash, None),
            (Escape::No, _) => (Escape::No, Some(byte)),
            (Escape::Backslash, b'u') => (Escape::Unit(0, 0), None),
            // Of the short escapes, `\/` alone stands for something that a name could hold.
            (Escape::Backslash, b'/') => (Escape::No, Some(b'/')),
            (Escape::Backslash, _) => (Escape::No, Some(b'\\')),
            (Escape::Unit(digits, unit), _) => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0) as u16;
                let unit = (unit << 4) | digit;
                match digits {
                    // Beyond ASCII, a byte that no name has.
                    3 => (Escape::No, Some(u8::try_from(unit).unwrap_or(0xff))),
                    _ => (Escape::Unit(digits + 1, unit), None),
                }
            }
        };
        if let Some(byte) = literal {
            match self.kept.get_mut(self.length) {
                Some(place) => {
                    *place = byte;
                    self.length += 1;
                }
                // Too long to keep, so not what is looked for.
                None => self.kept = [0; KEPT],
            }
        }
        self.state = State::Text(escape);
        None
    }

    fn begin(&mut self, state: State, byte: u8) -> Option<Token<'static>> {
        self.state = state;
        Some(Token::Other(byte))
    }

    fn end(&mut self, token: Token<'static>) -> Option<Token<'static>> {
        self.state = State::Done;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// Keys with their texts, and how it ended.
    type Members = (Vec<(Vec<u8>, Option<Vec<u8>>)>, Option<&'static str>);

    fn members(text: &[u8]) -> Members {
        let (mut json, mut members, mut end) = (<Json>::default(), Vec::new(), None);
        for byte in text {
            match json.read(*byte) {
                Some(Token::Key(key)) => members.push((key.to_vec(), None)),
                Some(Token::Text(text)) => members.last_mut().unwrap().1 = Some(text.to_vec()),
                Some(Token::Other(_)) | None => {}
                Some(Token::Array) => end = Some("array"),
                Some(Token::End) => end = Some("end"),
                Some(Token::Broken) => end = Some("broken"),
            }
        }
        (members, end)
    }

    #[test]
    fn a_name_is_found_however_it_is_spelled() {
        for text in [
            r#"{"method":"initialize"}"#,
            r#" { "method" : "initialize" , "id" : 1 } "#,
            r#"{"\u006dethod":"initi\u0061lize"}"#,
            r#"{"\u006Dethod":"initi\u0061lize"}"#,
        ] {
            let (members, end) = members(text.as_bytes());
            assert_eq!(members[0], (b"method".to_vec(), Some(b"initialize".to_vec())), "{text}");
            assert_eq!(end, Some("end"), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_name_is_none() {
        for text in [
            r#"{"params":{"method":"initialize"}}"#,
            r#"{"a":"\"method\":\"initialize\""}"#,
            r#"{"a":[{"method":"initialize"},"method"]}"#,
            r#"{"a":"{\\","b\\":{"c":"}}\\\""}}"#,
            r#"{"\u016dethod":"initialize"}"#,
            r#"{"methodmethodmethod":1}"#,
        ] {
            let (members, end) = members(text.as_bytes());
            assert!(members.iter().all(|(key, _)| key != b"method"), "{text}");
            assert_eq!(end, Some("end"), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_ends_at_once() {
        for (text, end) in [
            (&b"[{\"method\":\"initialize\"}]"[..], "array"),
            (b"\x1f\x8b\x08", "broken"),
            (b"\xef\xbb\xbf{}", "broken"),
            (b"method=initialize", "broken"),
            (b"{method:1}", "broken"),
        ] {
            assert_eq!(members(text), (vec![], Some(end)), "{text:?}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let text = || prop_oneof!["[a-z\"\\\\/{}\\[\\]:,é\n]{0,20}", Just("method".to_owned())];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(text(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn keys_and_texts_are_those_of_a_parser(value in json(), pretty: bool) {
            let text = match pretty {
                true => serde_json::to_vec_pretty(&value).unwrap(),
                false => serde_json::to_vec(&value).unwrap(),
            };
            let (members, end) = members(&text);
            let Value::Object(object) = value else {
                prop_assert!(members.is_empty());
                return Ok(());
            };
            prop_assert_eq!(end, Some("end"));
            prop_assert_eq!(members.len(), object.len());
            for ((key, text), (wanted_key, wanted)) in members.iter().zip(&object) {
                prop_assert_eq!(key == b"method", wanted_key == "method");
                prop_assert_eq!(text.is_some(), wanted.is_string());
                if let (Some(text), Some(wanted)) = (text, wanted.as_str()) {
                    prop_assert_eq!(text == b"method", wanted == "method");
                }
            }
        }

        #[test]
        fn what_is_skipped_changes_nothing(
            value in json(),
            long in "[a-z\\\\\"{}\\[\\]]{0,60}",
            cut: prop::sample::Index,
        ) {
            let value = serde_json::json!({"a": long, "b": [value, {"c": long}], "method": long});
            let mut text = value.to_string().into_bytes();
            // Valid so far, then anything.
            text.truncate(cut.index(text.len()) + 1);
            text.extend_from_slice(long.as_bytes());
            let (mut all, mut some) = (<Json>::default(), <Json>::default());
            let mut skip = 0;
            for (place, byte) in text.iter().enumerate() {
                let token = format!("{:?}", all.read(*byte));
                if skip > 0 {
                    prop_assert_eq!(token, "None");
                    skip -= 1;
                } else {
                    prop_assert_eq!(token, format!("{:?}", some.read(*byte)));
                    skip = some.skips(&text[place + 1..]);
                }
            }
        }
    }
}
