//! The paths that are looked at.

use crate::message::read_freely;

/// The paths on which a workload serves MCP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Paths(Vec<Pattern>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Pattern {
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
}

impl Paths {
    /// Exact paths; one that ends in `*` stands for all that begin with what precedes it.
    pub fn new<S: AsRef<str>>(paths: impl IntoIterator<Item = S>) -> Self {
        let patterns = paths.into_iter().map(|path| match path.as_ref().strip_suffix('*') {
            Some(prefix) => Pattern::Prefix(prefix.into()),
            None => Pattern::Exact(path.as_ref().into()),
        });
        Self(patterns.collect())
    }

    /// A path that is none of these, if there is one.
    pub fn none_of_these(&self) -> &'static str {
        let paths = ["/podpin-probe", "/.well-known/podpin-probe"];
        paths.into_iter().find(|path| !self.cover(path.as_bytes())).unwrap_or(paths[0])
    }

    /// Whether `path`, its query left out, is one of these.
    pub fn cover(&self, path: &[u8]) -> bool {
        let path = path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        self.0.iter().any(|pattern| match pattern {
            Pattern::Exact(exact) => path == exact,
            Pattern::Prefix(prefix) => path.starts_with(prefix),
        })
    }
}

impl Paths {
    /// Whether a server may take `path`, its query left out, for one of these, however it is written.
    pub fn may_cover(&self, path: &[u8]) -> bool {
        let path = path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        let path = read_freely(path);
        self.0.iter().any(|pattern| match pattern {
            Pattern::Exact(exact) => path == read_freely(exact),
            Pattern::Prefix(prefix) => path.starts_with(&read_freely(prefix)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_exact_unless_they_end_in_a_star() {
        let paths = Paths::new(["/mcp", "/v1/*"]);
        for (path, wanted) in [
            ("/mcp", true),
            ("/mcp?x=/v2", true),
            ("/mcp#top", true),
            ("/mcp/", false),
            ("/mcpx", false),
            ("/v1/", true),
            ("/v1/a/mcp", true),
            ("/v1", false),
            ("/?/mcp", false),
            ("", false),
        ] {
            assert_eq!(paths.cover(path.as_bytes()), wanted, "{path}");
        }
    }
}
