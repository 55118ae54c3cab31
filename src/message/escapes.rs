//! Paths and parameters as servers may read them, however they are written.

/// With what `%` and two hex digits stand for (RFC 3986 section 2.1); anything else stays.
pub fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((first, after)) = rest.split_first() {
        let byte = after.first_chunk::<2>().filter(|_| *first == b'%').and_then(|[high, low]| {
            let digit = |hex: &u8| char::from(*hex).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        });
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    decoded
}

/// What a path comes to on a server that reads it as freely as any does: without escapes, empty segments
/// and dots (RFC 3986 section 5.2.4), in lower case, and with no slash at its end.
pub fn read_freely(path: &[u8]) -> Vec<u8> {
    let path = percent_decoded(path).to_ascii_lowercase();
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments.iter().flat_map(|segment| [b"/", *segment].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_freely() {
        for (path, wanted) in [
            ("/mcp", "/mcp"),
            ("/MCP/", "/mcp"),
            ("/%6dcp", "/mcp"),
            ("//mcp", "/mcp"),
            ("/a/../mcp/.", "/mcp"),
            ("/a/%2e%2e/mcp", "/mcp"),
            ("/a\\mcp", "/a/mcp"),
            ("/../..", ""),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
        ] {
            assert_eq!(read_freely(path.as_bytes()), wanted.as_bytes(), "{path}");
        }
    }
}
