//! Texts that must not be shown: as they are, or by the name of an environment variable that has them.

use serde_json::Value;

use super::section::{MAX_SECRET, Section, is_secret};
use crate::host::Secret;
use crate::keyring::{Key, Keyring};

/// The longest name of an environment variable, in bytes.
const MAX_NAME: usize = 256;

/// The longest id of a key, in bytes.
const MAX_ID: usize = 64;

/// What is known of an environment variable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Variable {
    /// It has this value.
    Is(Secret),
    /// There is none of this name.
    Missing,
    /// It is set elsewhere, where the configuration is to be used.
    Elsewhere,
}

/// Where secrets come from.
pub(super) struct Secrets<'a> {
    /// The environment of the filter.
    variable: &'a dyn Fn(&str) -> Variable,
    /// Keys of the configuration that hold a secret themselves.
    plain: Vec<String>,
}

impl<'a> Secrets<'a> {
    pub(super) fn new(variable: &'a dyn Fn(&str) -> Variable) -> Self {
        Self { variable, plain: Vec::new() }
    }

    /// Keys of the configuration that hold a secret themselves.
    pub(super) fn plain(self) -> Vec<String> {
        self.plain
    }

    /// The secret under `key`, or in the variable that `by_name` names.
    pub(super) fn text(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        by_name: &'static str,
    ) -> Option<Secret> {
        match self.which(section, key, by_name)? {
            Which::Plain => section.secret(key),
            Which::ByName => {
                let Secret(text) = self.named(section, by_name)?;
                if !is_secret(&text) {
                    section.wrong(by_name, format!("has no 1 to {MAX_SECRET} bytes of ASCII"));
                    return None;
                }
                Some(Secret(text))
            }
        }
    }

    /// The keys under `keys`, or in the variable that `keys_env` names; `None` also if there are none.
    pub(super) fn keyring(&mut self, section: &mut Section<'_>) -> Option<Keyring> {
        let which = self.which(section, "keys", "keys_env")?;
        let (name, keys) = match which {
            Which::Plain => ("keys", read_plain(section)?),
            Which::ByName => {
                let Secret(text) = self.named(section, "keys_env")?;
                let parts = text.split(|c: char| c == ',' || c.is_whitespace());
                let parts = parts.filter(|part| !part.is_empty()).zip(1..);
                let keys = parts.map(|(pair, number)| read_pair(pair, number)).collect();
                let keys: Result<Vec<_>, _> = keys;
                ("keys_env", keys.map_err(|wrong| section.wrong("keys_env", wrong)).ok()?)
            }
        };
        if let Some(wrong) = repeated(&keys) {
            section.wrong(name, wrong);
            return None;
        }
        let ring = Keyring::new(keys);
        if ring.is_none() {
            section.wrong(name, "has no key");
        }
        ring
    }

    /// Which of the two is given. Both are known from here on.
    fn which(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        by_name: &'static str,
    ) -> Option<Which> {
        let (is_plain, is_by_name) = (section.has(key), section.has(by_name));
        if is_plain {
            self.plain.push(section.path_of(key));
        }
        section.knows(&[key, by_name]);
        match (is_plain, is_by_name) {
            (true, true) => {
                section.wrong(by_name, format_args!("does not go with {key}"));
                section.take(key);
                section.take(by_name);
                None
            }
            (true, false) => Some(Which::Plain),
            (false, true) => Some(Which::ByName),
            (false, false) => None,
        }
    }

    /// What the variable has whose name is under `key`.
    fn named(&self, section: &mut Section<'_>, key: &'static str) -> Option<Secret> {
        // What stands here by mistake may be the secret itself, so it is not shown.
        let Secret(name) = section.secret(key)?;
        if let Err(wrong) = is_variable(&name) {
            section.wrong(key, wrong);
            return None;
        }
        match (self.variable)(&name) {
            Variable::Is(text) => return Some(text),
            Variable::Missing => section.wrong(
                key,
                "names no variable that is set here; Envoy has to have it, and \
                 vm_config.environment_variables.host_env_keys to name it",
            ),
            Variable::Elsewhere => {}
        }
        None
    }
}

enum Which {
    Plain,
    ByName,
}

/// A list of objects with `id` and `key`. No message shows a key.
fn read_plain(section: &mut Section<'_>) -> Option<Vec<Key>> {
    let items = match section.take("keys")? {
        Value::Array(items) => items,
        _ => {
            section.wrong("keys", "is not a list of objects with id and key");
            return None;
        }
    };
    let count = items.len();
    let mut keys = Vec::with_capacity(count);
    for (index, item) in items.into_iter().enumerate() {
        let mut item = section.item("keys", index, item);
        item.require(&["id", "key"]);
        let (id, text) = (item.secret("id"), item.secret("key"));
        if let (Some(Secret(id)), Some(Secret(text))) = (id, text) {
            if let Err(wrong) = is_id(&id) {
                item.wrong("id", wrong);
            }
            match Key::parse(&id, &text) {
                Ok(key) => keys.push(key),
                Err(bad) => item.wrong("key", bad),
            }
        }
        item.finish();
    }
    (keys.len() == count).then_some(keys)
}

/// A key as an environment variable has it: its id, a colon, and the key.
fn read_pair(pair: &str, number: usize) -> Result<Key, String> {
    let wrong = || "is not a list of keys such as id:base64, separated by commas or white space";
    let (id, text) = pair.split_once(':').ok_or_else(wrong)?;
    is_id(id).map_err(|_| wrong())?;
    // What stands in the place of an id by mistake may be the key.
    Key::parse(id, text).map_err(|bad| format!("key {number} {bad}"))
}

fn repeated(keys: &[Key]) -> Option<String> {
    let mut rest = keys.iter().zip(1..);
    while let Some((key, number)) = rest.next() {
        if let Some((_, other)) = rest.clone().find(|(other, _)| other.is_like(key)) {
            return Some(format!("{number} and {other} are the same key, or have the same id"));
        }
    }
    None
}

fn is_id(text: &str) -> Result<(), String> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    let right = (1..=MAX_ID).contains(&text.len()) && text.bytes().all(fits);
    right.then_some(()).ok_or_else(|| {
        format!("is not 1 to {MAX_ID} letters, digits, dots, hyphens or underscores")
    })
}

fn is_variable(text: &str) -> Result<(), String> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let begins_right = text.bytes().next().is_some_and(|c| !c.is_ascii_digit());
    let right = text.len() <= MAX_NAME && begins_right && text.bytes().all(fits);
    right.then_some(()).ok_or_else(|| "is not the name of an environment variable".to_owned())
}
