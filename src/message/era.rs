//! The eras of MCP: with sessions, and without.

/// The first protocol version without sessions (MCP 2026-07-28, changelog). Versions are dates, so
/// they sort as text.
const WITHOUT_SESSIONS: &[u8] = b"2026-07-28";

/// Whether a request may belong to a session, by its `MCP-Protocol-Version` headers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Era {
    /// It names no version, as with `initialize`, or only versions that have sessions.
    #[default]
    Sessions,
    /// It names a version without sessions, or something that is no version at all.
    Sessionless,
}

impl Era {
    /// Notes one more header. Proxies may join several into one list (RFC 9110 section 5.3).
    pub fn add(&mut self, value: &[u8]) {
        let mut versions =
            value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|v| !v.is_empty());
        if !versions.all(has_sessions) {
            *self = Self::Sessionless;
        }
    }
}

/// Whether this is a version of MCP that was published and has sessions.
pub fn is_known_version(version: &[u8]) -> bool {
    ["2025-03-26", "2025-06-18", "2025-11-25"].iter().any(|known| version == known.as_bytes())
}

fn has_sessions(version: &[u8]) -> bool {
    is_date(version) && version < WITHOUT_SESSIONS
}

fn is_date(version: &[u8]) -> bool {
    version.len() == WITHOUT_SESSIONS.len()
        && version.iter().zip(WITHOUT_SESSIONS).all(|(byte, example)| match example {
            b'-' => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras_are_told_by_date() {
        for (headers, wanted) in [
            (&[][..], Era::Sessions),
            (&[&b"2024-10-07"[..]], Era::Sessions),
            (&[b"2024-11-05"], Era::Sessions),
            (&[b"2025-11-25"], Era::Sessions),
            (&[b"2026-07-27"], Era::Sessions),
            (&[b"2026-07-28"], Era::Sessionless),
            (&[b"2099-01-01"], Era::Sessionless),
            (&[b"2025-06-18, 2025-06-18"], Era::Sessions),
            (&[b"2025-06-18", b" 2025-11-25 "], Era::Sessions),
            (&[b"2025-06-18,2026-07-28"], Era::Sessionless),
            (&[b"2026-07-28", b"2025-06-18"], Era::Sessionless),
            (&[b""], Era::Sessions),
            (&[b"2025-6-18"], Era::Sessionless),
            (&[b"draft"], Era::Sessionless),
            (&[b"\xff"], Era::Sessionless),
        ] {
            let mut era = Era::default();
            headers.iter().for_each(|value| era.add(value));
            assert_eq!(era, wanted, "{headers:?}");
        }
    }
}
