//! A reply in the place of a response that came from elsewhere.

use super::{Edit, HeaderMap, Reply};

/// Headers that describe a body, a connection or a session: those of a response that is replaced
/// mean nothing any more.
const OF_THE_REPLACED: [&str; 13] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
    "connection",
    "keep-alive",
    "location",
    "mcp-session-id",
    "retry-after",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Reply {
    /// The changes that make a response's headers those of this reply. All others stay, be they
    /// the upstream's or another filter's: CORS headers above all, without which a browser shows
    /// its page no response.
    pub fn edits(&self) -> impl Iterator<Item = Edit> {
        let removed = OF_THE_REPLACED.iter().map(|name| Edit::Remove((*name).into()));
        let status = Edit::Set(":status".into(), self.status.to_string().into());
        removed.chain([status]).chain(
            self.own_headers()
                .into_iter()
                .map(|(name, value)| Edit::Set(name.into(), value.into())),
        )
    }

    /// This reply with what else the headers of the response say that it replaces.
    pub fn carrying(mut self, replaced: &impl HeaderMap) -> Self {
        let theirs = replaced.fields().filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?;
            let is_kept = !name.starts_with(':')
                && !OF_THE_REPLACED.contains(&name)
                // The proxy's own, which it will write again.
                && !["date", "server"].contains(&name)
                && !name.starts_with("x-envoy-");
            is_kept.then(|| (name.to_owned(), value.to_vec()))
        });
        self.carried = theirs.collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced() -> Vec<(&'static str, &'static str)> {
        vec![
            (":status", "404"),
            ("content-type", "text/plain"),
            ("content-length", "9"),
            ("mcp-session-id", "s"),
            ("server", "envoy"),
            ("access-control-allow-origin", "https://app.example"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ]
    }

    #[test]
    fn what_else_the_response_said_is_carried_over() {
        let reply = Reply::session_not_found().carrying(&replaced());
        let headers: Vec<_> = reply.headers().collect();
        let wanted: [(&str, &[u8]); 4] = [
            ("content-type", b"application/json"),
            ("access-control-allow-origin", b"https://app.example"),
            ("set-cookie", b"a=1"),
            ("set-cookie", b"b=2"),
        ];
        assert_eq!(headers, wanted.map(|(name, value)| (name, value.into())));
    }

    #[test]
    fn edits_leave_what_does_not_belong_to_the_body() {
        let mut headers: Vec<(String, Vec<u8>)> =
            replaced().into_iter().map(|(n, v)| (n.to_owned(), v.into())).collect();
        for edit in Reply::unavailable().edits() {
            let (Edit::Set(name, _) | Edit::Remove(name)) = &edit else { panic!("{edit:?}") };
            headers.retain(|(other, _)| other != name);
            if let Edit::Set(name, value) = edit {
                headers.push((name.into_owned(), value));
            }
        }
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "server",
                "access-control-allow-origin",
                "set-cookie",
                "set-cookie",
                ":status",
                "content-type",
                "retry-after",
            ]
        );
    }
}
