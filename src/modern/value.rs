//! Values by which requests are told apart.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::session::MAX_ID_BYTES;

/// What a header value means. A client writes one that is not plain ASCII as `=?base64?…?=` (MCP 2026-07-28,
/// Transports, Value Encoding). `None` if it breaks the rules: it has no bytes or more than a session id may
/// have, before or after, or others than visible ASCII and spaces within.
pub(super) fn meant(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let is_plain = |value: &[u8]| value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if !fits(value) || !is_plain(value) || value.trim_ascii().len() != value.len() {
        return None;
    }
    let encoded = value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?="));
    match encoded {
        Some(encoded) => STANDARD.decode(encoded).ok().filter(|bytes| fits(bytes)).map(Cow::Owned),
        None => Some(Cow::Borrowed(value)),
    }
}

/// Whether a value is neither empty nor too long.
pub(super) fn fits(value: &[u8]) -> bool {
    (1..=MAX_ID_BYTES).contains(&value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_means_the_same_however_it_is_written() {
        let longest = [b'x'; MAX_ID_BYTES];
        let too_long = [b'x'; MAX_ID_BYTES + 1];
        for (value, wanted) in [
            (&b"c1"[..], Some(&b"c1"[..])),
            (b"=?base64?YzE=?=", Some(b"c1")),
            (b"=?base64?w6kx?=", Some("\u{e9}1".as_bytes())),
            (b"New York", Some(b"New York")),
            (&longest, Some(&longest)),
            (&too_long, None),
            (b"", None),
            (b" ", None),
            (b"a ", None),
            (b"a\tb", None),
            (b"\xc3\xa9", None),
            (b"=?base64??=", None),
            (b"=?base64?!?=", None),
            (b"=?base64?YzE?=", None),
            (b"=?base64?", Some(b"=?base64?")),
        ] {
            assert_eq!(meant(value).as_deref(), wanted, "{value:?}");
        }
    }
}
