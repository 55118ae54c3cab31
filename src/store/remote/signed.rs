//! Records that only the workload's own proxies can have written.
//!
//! ```json
//! {"v":4,"key":"ca978112","mac":"…","record":"{\"v\":1,\"host\":…}"}
//! ```
//!
//! `record` is one as without keys; `mac` the HMAC-SHA256 of the scope, the session's key and these very bytes, in
//! base64url; `key` the tag of the key that it was made with.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::record::Unread;
use crate::keyring::{KeyTag, Keyring};
use crate::session::SessionKey;

/// The version of a record that is signed.
pub(super) const SIGNED: u64 = 4;

const CONTEXT: &[u8] = b"podpin record";

/// Signs and checks the records of one workload.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) ring: Keyring,
    pub(super) scope: SessionKey,
}

impl Signer {
    pub(super) fn sign(&self, key: &SessionKey, record: &str) -> String {
        let (tag, mac) = self.ring.sign(&self.context(key), record.as_bytes());
        let (tag, mac) = (format!("{:08x}", u32::from_be_bytes(tag)), URL_SAFE_NO_PAD.encode(mac));
        json!({"v": SIGNED, "key": tag, "mac": mac, "record": record}).to_string()
    }

    /// The record in a signed one.
    pub(super) fn verified(&self, key: &SessionKey, text: &str) -> Result<String, Unread> {
        let value: Value = serde_json::from_str(text).map_err(|_| Unread::Broken)?;
        match value.get("v").and_then(Value::as_u64) {
            Some(SIGNED) => {}
            Some(version) if version > SIGNED => return Err(Unread::Newer),
            _ => return Err(Unread::Unsigned),
        }
        let text = |key| value.get(key).and_then(Value::as_str).ok_or(Unread::Broken);
        let (record, mac) = (text("record")?, URL_SAFE_NO_PAD.decode(text("mac")?));
        let (tag, mac) = (tag_of(text("key")?)?, mac.map_err(|_| Unread::Broken)?);
        match self.ring.verify(tag, &self.context(key), record.as_bytes(), &mac) {
            true => Ok(record.to_owned()),
            false => Err(Unread::Unsigned),
        }
    }

    fn context<'a>(&'a self, key: &'a SessionKey) -> [&'a [u8]; 3] {
        [CONTEXT, self.scope.bytes(), key.bytes()]
    }
}

fn tag_of(hex: &str) -> Result<KeyTag, Unread> {
    let is_hex = hex.len() == 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let tag = u32::from_str_radix(hex, 16).ok().filter(|_| is_hex);
    tag.map(u32::to_be_bytes).ok_or(Unread::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::Key;

    const KEY: &str = "1f8b0a44c0e94d6e93d2a8b7516c3fe207bb5a19de7184f69c0d52e8ab36417f";
    const OTHER: &str = "5Yb0n8mQ3tLr1WcVxKf7oZ2uAe9sJd4hGi6pNqRTyBE=";
    const RECORD: &str = r#"{"v":1,"ended":5}"#;

    fn signer(scope: u8, id: &str, key: &str) -> Signer {
        let ring = Keyring::new(vec![Key::parse(id, key).unwrap()]).unwrap();
        Signer { ring, scope: SessionKey::from_bytes([scope; 16]) }
    }

    fn key(number: u8) -> SessionKey {
        SessionKey::from_bytes([number; 16])
    }

    #[test]
    fn a_record_counts_for_its_session_and_with_its_key_only() {
        let signed = signer(1, "a", KEY).sign(&key(1), RECORD);
        for (about, signer, session, text, wanted) in [
            ("the same", signer(1, "a", KEY), 1, signed.clone(), Ok(RECORD.to_owned())),
            ("another session", signer(1, "a", KEY), 2, signed.clone(), Err(Unread::Unsigned)),
            ("another workload", signer(2, "a", KEY), 1, signed.clone(), Err(Unread::Unsigned)),
            ("another key", signer(1, "a", OTHER), 1, signed.clone(), Err(Unread::Unsigned)),
            ("a key that is gone", signer(1, "b", KEY), 1, signed.clone(), Err(Unread::Unsigned)),
            ("changed", signer(1, "a", KEY), 1, signed.replace(":5", ":6"), Err(Unread::Unsigned)),
            ("not signed", signer(1, "a", KEY), 1, RECORD.to_owned(), Err(Unread::Unsigned)),
            ("newer", signer(1, "a", KEY), 1, r#"{"v":5}"#.to_owned(), Err(Unread::Newer)),
            ("broken", signer(1, "a", KEY), 1, r#"{"v":4}"#.to_owned(), Err(Unread::Broken)),
        ] {
            assert_eq!(signer.verified(&key(session), &text), wanted, "{about}");
        }
    }
}
