//! The section `modern`: requests of MCP 2026-07-28 and later, which have no sessions.

use super::section::Section;

/// What is said of them.
pub(super) struct Read {
    /// Whether they are refused.
    pub(super) refuses: bool,
}

pub(super) fn read(mut section: Section<'_>) -> Read {
    let refuses = section.choice("era", &[("pass", false), ("refuse", true)]).unwrap_or(false);
    section.finish();
    Read { refuses }
}
