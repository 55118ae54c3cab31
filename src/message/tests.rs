use super::*;
use proptest::prelude::*;

fn opens(body: &[u8], pieces: usize) -> Opens {
    let mut peek = RequestPeek::default();
    for piece in body.chunks(pieces.max(1)) {
        peek.read(piece);
    }
    peek.opens()
}

fn is_error(media: Media, body: &[u8], pieces: usize) -> bool {
    let mut peek = ResponsePeek::into(media);
    for piece in body.chunks(pieces.max(1)) {
        peek.read(piece);
    }
    peek.is_error()
}

#[test]
fn only_known_versions_and_none_have_sessions() {
    for (version, wanted) in [
        (None, true),
        (Some(&b"2024-11-05"[..]), true),
        (Some(b"2025-11-25"), true),
        (Some(b"2026-07-28"), false),
        (Some(b"2099-01-01"), false),
        (Some(b""), false),
        (Some(b"\xff"), false),
    ] {
        assert_eq!(has_sessions(version), wanted, "{version:?}");
    }
}

#[test]
fn a_request_opens_a_session_if_its_method_is_initialize() {
    let big = format!(
        r#"{{"params":{{"icon":"{}"}},"method":"initialize"}}"#,
        "x".repeat(PEEK_BYTES / 2)
    );
    let too_big = format!(r#"{{"params":"{}","method":"initialize"}}"#, "x".repeat(PEEK_BYTES));
    for (body, wanted) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, Opens::Yes),
        (big.as_str(), Opens::Yes),
        (too_big.as_str(), Opens::Unknown),
        (r#"{"method":"tools/list","params":{"method":"initialize"}}"#, Opens::No),
        (r#"{"method":"notifications/initialized"}"#, Opens::No),
        (r#"{"method":"initialized"}"#, Opens::No),
        (r#"{"method":"initializeinitialize"}"#, Opens::No),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Opens::No),
        (r#"[{"method":"initialize"}]"#, Opens::No),
        (r#"{"method":null}"#, Opens::No),
        (r#"{"id":1,"meth"#, Opens::Unknown),
        ("\u{1f}\u{8b}", Opens::Unknown),
        ("", Opens::Unknown),
    ] {
        for pieces in [1, 7, usize::MAX] {
            assert_eq!(opens(body.as_bytes(), pieces), wanted, "{body:.60} by {pieces}");
        }
    }
}

#[test]
fn an_answer_is_an_error_if_it_says_so_at_the_top() {
    for (media, body, wanted) in [
        (Media::Json, r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602}}"#, true),
        (Media::Json, r#"{"jsonrpc":"2.0","id":1,"result":{"error":1}}"#, false),
        (Media::Json, r#"{"id":"error","result":{}}"#, false),
        (Media::Json, r#"{"jsonrpc":"2.0","id":1,"error":null,"result":{}}"#, false),
        (Media::Json, r#"{"error":null,"id":1}"#, false),
        (Media::Json, r#"{"result":null,"error":{"code":1}}"#, true),
        (Media::Json, r#"{"id":1,"result":{},"error":{}}"#, false),
        (Media::Json, r#"{"error":"text","id":1}"#, true),
        (Media::Json, "not json", false),
        (Media::EventStream, "data: {\"error\":{}}\n\n", true),
        (Media::EventStream, "id: 0\nretry: 3000\ndata: \n\nid: 1\ndata: {\"error\":{}}\n\n", true),
        (
            Media::EventStream,
            "data: {\"method\":\"notifications/message\",\"params\":{\"error\":1}}\n\n\
             : ping\n\ndata: {\"id\":1,\r\ndata: \"error\":{}}\r\n\r\n",
            true,
        ),
        (Media::EventStream, "data: {\"result\":{}}\n\ndata: {\"error\":{}}\n\n", false),
        (Media::EventStream, "data: garbage\n\ndata: {\"error\":{}}\n\n", true),
        (Media::Other, r#"{"error":{}}"#, false),
    ] {
        for pieces in [1, 5, usize::MAX] {
            assert_eq!(is_error(media, body.as_bytes(), pieces), wanted, "{body:?} by {pieces}");
        }
    }
}

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

proptest! {
    #[test]
    fn how_a_body_is_cut_up_changes_nothing(
        body in "[{}\\[\\]\":, \n\\\\a-e]{0,60}|\\{\"method\":\"initialize\".{0,20}",
        pieces in 1usize..20,
    ) {
        let body = body.as_bytes();
        prop_assert_eq!(opens(body, pieces), opens(body, usize::MAX));
        for media in [Media::Json, Media::EventStream] {
            prop_assert_eq!(is_error(media, body, pieces), is_error(media, body, usize::MAX));
        }
    }

    #[test]
    fn any_body_is_read_without_a_panic(body: Vec<u8>, pieces in 1usize..20) {
        opens(&body, pieces);
        is_error(Media::EventStream, &body, pieces);
    }
}
