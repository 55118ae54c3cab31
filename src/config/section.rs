//! Reads JSON objects key by key and collects everything that is wrong with them.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::duration;
use crate::host::Secret;

/// The longest token, user or password, in bytes.
pub(super) const MAX_SECRET: usize = 4096;

/// Everything that is wrong with a configuration, in the order in which it was found. `Display`
/// writes it in one line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mistakes(Vec<String>);

impl Mistakes {
    pub(super) fn add(&mut self, path: &str, wrong: impl fmt::Display) {
        let mut mistake = String::new();
        for c in format!("{path}: {wrong}").chars() {
            // A key may have any.
            match c.is_control() {
                true => mistake.extend(c.escape_default()),
                false => mistake.push(c),
            }
        }
        self.0.push(mistake);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, as its key and what is wrong with that.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Mistakes {}

/// One JSON object of a configuration. Every getter names a key that may be there; what is left
/// at [`Section::finish`] is unknown.
pub(super) struct Section<'m> {
    path: String,
    left: Map<String, Value>,
    known: Vec<&'static str>,
    pub(super) mistakes: &'m mut Mistakes,
}

impl<'m> Section<'m> {
    pub(super) fn new(path: &str, value: Value, mistakes: &'m mut Mistakes) -> Self {
        let left = match value {
            Value::Object(map) => map,
            other => {
                let path = if path.is_empty() { "configuration" } else { path };
                mistakes.add(path, format_args!("{} is not an object", kind(&other)));
                Map::new()
            }
        };
        Self { path: path.to_owned(), left, known: Vec::new(), mistakes }
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.knows(&[key]);
        self.left.remove(key)
    }

    /// Notes that there may be such keys.
    pub(super) fn knows(&mut self, keys: &[&'static str]) {
        for key in keys {
            if !self.known.contains(key) {
                self.known.push(key);
            }
        }
    }

    /// The object under `key`, or an empty one.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'_> {
        let value = self.take(key).unwrap_or_else(|| Value::Object(Map::new()));
        Section::new(&self.path_of(key), value, self.mistakes)
    }

    /// An object of the list under `key`.
    pub(super) fn item(&mut self, key: &str, index: usize, value: Value) -> Section<'_> {
        let path = format!("{}[{index}]", self.path_of(key));
        Section::new(&path, value, self.mistakes)
    }

    /// A string that `check` accepts. `check` says what it should have been.
    pub(super) fn text<E: fmt::Display>(
        &mut self,
        key: &'static str,
        check: impl Fn(&str) -> Result<(), E>,
    ) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => match check(&text) {
                Ok(()) => return Some(text),
                Err(wrong) => self.wrong(key, format_args!("{text:?} {wrong}")),
            },
            other => self.wrong(key, format_args!("{} is not a string", shown(&other))),
        }
        None
    }

    /// A text that no message may show.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<Secret> {
        match self.take(key)? {
            Value::String(text) if is_secret(&text) => return Some(Secret(text)),
            _ => {
                let wrong = format!("is not a string of 1 to {MAX_SECRET} bytes of ASCII");
                self.wrong(key, wrong);
            }
        }
        None
    }

    /// One of the words in `choices`.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let value = self.take(key)?;
        let found = choices.iter().find(|(word, _)| value == *word).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let wrong = format!("{} is not one of {}", shown(&value), words.join(", "));
            self.wrong(key, wrong);
        }
        found
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong(key, format_args!("{} is not true or false", shown(&value)));
        }
        flag
    }

    /// A whole number. A mesh may hand over `3` as `3.0`.
    pub(super) fn number(&mut self, key: &'static str, min: u32, max: u32) -> Option<u32> {
        let value = self.take(key)?;
        let is_whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
        match whole(&value).filter(|number| (min..=max).contains(number)) {
            None if is_whole => self.wrong(key, format_args!("{value} is outside {min}..={max}")),
            None => self.wrong(key, format_args!("{} is not a whole number", shown(&value))),
            number => return number,
        }
        None
    }

    /// A length of time such as `30s`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        min: Duration,
        max: Duration,
    ) -> Option<Duration> {
        let value = self.take(key)?;
        match value.as_str().and_then(duration::parse) {
            None => {
                let wrong = "is not a duration such as 250ms, 30s or 2h";
                self.wrong(key, format_args!("{} {wrong}", shown(&value)));
            }
            Some(duration) if duration < min || duration > max => {
                let (min, max) = (duration::shown(min), duration::shown(max));
                self.wrong(key, format_args!("{value} is outside {min}..={max}"))
            }
            duration => return duration,
        }
        None
    }

    /// A list whose items `read` makes something of.
    pub(super) fn list<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Value) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let items = match self.take(key)? {
            Value::Array(items) => items,
            other => {
                self.wrong(key, format_args!("{} is not a list", shown(&other)));
                return None;
            }
        };
        let mut taken = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match read(item) {
                Ok(read) => taken.push(read),
                Err(wrong) => {
                    let path = format!("{}[{index}]", self.path_of(key));
                    self.mistakes.add(&path, format_args!("{} {wrong}", shown(item)));
                }
            }
        }
        Some(taken)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    pub(super) fn has_object(&self, key: &str) -> bool {
        self.left.get(key).is_some_and(Value::is_object)
    }

    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        self.left.get(key).and_then(Value::as_array).is_some_and(Vec::is_empty)
    }

    /// Notes which of `keys` are not there.
    pub(super) fn require(&mut self, keys: &[&str]) {
        for key in keys.iter().filter(|key| !self.left.contains_key(**key)) {
            let path = self.path_of(key);
            self.mistakes.add(&path, "missing");
        }
    }

    pub(super) fn wrong(&mut self, key: &str, wrong: impl fmt::Display) {
        let path = self.path_of(key);
        self.mistakes.add(&path, wrong);
    }

    pub(super) fn finish(mut self) {
        let known = self.known.join(", ");
        for key in std::mem::take(&mut self.left).keys() {
            self.wrong(key, format_args!("unknown key; known here are {known}"));
        }
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

/// A value of a key that holds no secret, for a message. Of a list or an object only what it is: one
/// that stands in the wrong place may have secrets in it.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => kind(value).to_owned(),
        scalar => scalar.to_string(),
    }
}

/// What a value is. A text in place of an object may be one that was quoted twice, secrets and all.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Whether a text can be a secret that goes into a header.
pub(super) fn is_secret(text: &str) -> bool {
    (1..=MAX_SECRET).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'))
}

/// Accepts 1 to `most` bytes of visible ASCII.
pub(super) fn is_visible(text: &str, most: usize) -> Result<(), String> {
    let right = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    right.then_some(()).ok_or_else(|| format!("is not 1 to {most} bytes of visible ASCII"))
}

/// A JSON number that is whole and fits.
pub(super) fn whole(value: &Value) -> Option<u32> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0)?;
    (0.0..=f64::from(u32::MAX)).contains(&number).then_some(number as u32)
}
