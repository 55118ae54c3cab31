//! What a reader of MCP messages is compared with: the same by a whole parser.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A JSON text, its members in order, those that occur twice included.
#[derive(Debug)]
pub enum Text {
    /// An object.
    Members(Vec<(String, Value)>),
    /// An array.
    Array,
    /// Anything else.
    Scalar,
}

impl Text {
    /// `None` if it is no JSON.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Text;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Text::Members(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Text, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::Array)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
        Ok(Text::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
        Ok(Text::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Text, E> {
        Ok(Text::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
        Ok(Text::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Text, E> {
        Ok(Text::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text::Scalar)
    }
}

/// An event of a stream (WHATWG HTML, "Interpreting an event stream").
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Event {
    /// Its last field `event`.
    pub name: Vec<u8>,
    /// Each of its fields `data`.
    pub data: Vec<Vec<u8>>,
    /// The blank line after it came.
    pub is_over: bool,
}

/// The events of a stream, those without data included.
pub fn events(stream: &[u8]) -> Vec<Event> {
    let text = stream.iter().enumerate().filter(|(at, byte)| {
        let follows_return = *at > 0 && stream[*at - 1] == b'\r';
        !(**byte == b'\n' && follows_return)
    });
    let text: Vec<u8> = text.map(|(_, byte)| if *byte == b'\r' { b'\n' } else { *byte }).collect();
    let mut lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    // A line that has not ended.
    let unfinished = lines.pop().unwrap_or_default();
    let (mut events, mut event) = (Vec::new(), Event::default());
    for line in lines {
        if line.is_empty() {
            events.push(Event { is_over: true, ..std::mem::take(&mut event) });
        } else {
            event.add(line);
        }
    }
    event.add(unfinished);
    events.push(event);
    events
}

impl Event {
    fn add(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"event" => self.name = value.to_vec(),
            b"data" => self.data.push(value.to_vec()),
            _ => {}
        }
    }
}
