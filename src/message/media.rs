//! Media types of responses.

/// The media type of a response, as far as it matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Media {
    /// `application/json`: one JSON-RPC message.
    Json,
    /// `text/event-stream`: JSON-RPC messages as events.
    EventStream,
    /// Anything else, or compressed.
    Other,
}

impl Media {
    /// Reads `Content-Type` and `Content-Encoding`.
    pub fn of(content_type: Option<&[u8]>, content_encoding: Option<&[u8]>) -> Self {
        let essence = content_type.unwrap_or_default().split(|byte| *byte == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        match content_encoding {
            Some(encoding) if !encoding.eq_ignore_ascii_case(b"identity") => Self::Other,
            _ if essence.eq_ignore_ascii_case(b"application/json") => Self::Json,
            _ if essence.eq_ignore_ascii_case(b"text/event-stream") => Self::EventStream,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_read_without_their_parameters() {
        for (content_type, encoding, wanted) in [
            (Some(&b"application/json"[..]), None, Media::Json),
            (Some(b"Application/JSON ; charset=utf-8"), None, Media::Json),
            (Some(b"text/event-stream;charset=utf-8"), Some(&b"identity"[..]), Media::EventStream),
            (Some(b"application/json"), Some(b"gzip"), Media::Other),
            (Some(b"application/jsonx"), None, Media::Other),
            (None, None, Media::Other),
        ] {
            assert_eq!(Media::of(content_type, encoding), wanted, "{content_type:?}");
        }
    }
}
