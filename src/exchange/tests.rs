mod loss;

use std::net::SocketAddr;

use super::*;
use crate::message::Media;
use crate::pods::Ordinal;
use crate::session::{BadId, Timestamp};

const POD: Place = Place::Pod(Ordinal(2));
const KEY: SessionKey = SessionKey::from_bytes([7; 16]);
const POLICY: Policy = Policy { on_unreachable: OnUnreachable::NotFound };
const INITIALIZE: &[u8] = br#"{"method":"initialize"}"#;
const LIST: &[u8] = br#"{"method":"tools/list"}"#;

const PIN: Pin = Pin {
    place: POD,
    incarnation: None,
    subject: None,
    bound_at: Timestamp(0),
    used_at: Timestamp(0),
};

fn live() -> Lookup {
    Lookup::Live(PIN)
}

fn response(status: u16, session: Option<Result<SessionKey, BadId>>) -> ResponseHead {
    ResponseHead { session, media: Media::Json, ..ResponseHead::of(status) }
}

/// Feeds events and returns the last verdict.
fn last(events: Vec<Event<'_>>) -> Verdict {
    let mut exchange = Exchange::default();
    let mut verdict = Verdict::pass();
    for event in events {
        (exchange, verdict) = exchange.on(event, &POLICY);
    }
    verdict
}

fn opening<'a>(body: &'a [u8], response: ResponseHead) -> Vec<Event<'a>> {
    vec![
        Event::Asked(Intent::Open),
        Event::Placed(Some(POD)),
        Event::RequestBody(body),
        Event::ResponseHeaders(response),
    ]
}

fn using<'a>(method: Method, found: Lookup) -> Vec<Event<'a>> {
    vec![Event::Asked(Intent::Use { key: KEY, method }), Event::Looked(found)]
}

fn with<'a>(
    mut events: Vec<Event<'a>>,
    more: impl IntoIterator<Item = Event<'a>>,
) -> Vec<Event<'a>> {
    events.extend(more);
    events
}

fn unbound(over: bool, pin: Option<Pin>) -> Vec<Effect> {
    if over { vec![Effect::Unbind(KEY, pin)] } else { vec![] }
}

fn session_not_found() -> Act {
    Act::Reply(Reply::session_not_found())
}

#[test]
fn the_request_decides_where_it_goes() {
    use Decision::*;
    for (about, events, act, decision) in [
        ("elsewhere", vec![Event::Asked(Intent::Elsewhere)], Act::Pass, Some(Elsewhere)),
        ("2026-07-28", vec![Event::Asked(Intent::Sessionless)], Act::Pass, Some(Sessionless)),
        ("a GET without an id", vec![Event::Asked(Intent::NoSession)], Act::Pass, Some(NoSession)),
        (
            "two ids",
            vec![Event::Asked(Intent::Malformed(BadId::Repeated))],
            Act::Reply(Reply::bad_session_id(BadId::Repeated)),
            Some(BadSessionId),
        ),
        ("a POST without an id", vec![Event::Asked(Intent::Open)], Act::Place, None),
        (
            "a POST without an id, placed",
            vec![Event::Asked(Intent::Open), Event::Placed(Some(POD))],
            Act::Steer(POD),
            Some(Placed),
        ),
        ("a session", using(Method::Post, live())[..1].to_vec(), Act::Look(KEY), None),
        ("a live session", using(Method::Post, live()), Act::Steer(POD), Some(Steered)),
        (
            "an unknown one",
            using(Method::Post, Lookup::Unknown),
            session_not_found(),
            Some(Unknown),
        ),
        (
            "an expired one",
            using(Method::Delete, Lookup::Expired),
            session_not_found(),
            Some(Expired),
        ),
        (
            "a store that cannot say",
            using(Method::Post, Lookup::Failed),
            Act::Reply(Reply::unavailable()),
            Some(StoreFailed),
        ),
        (
            "a proxy that refuses the steering",
            with(using(Method::Post, live()), [Event::SteeringRefused]),
            Act::Reply(Reply::unavailable()),
            Some(SteeringRefused),
        ),
    ] {
        let verdict = last(events);
        assert_eq!((verdict.act, verdict.decision), (act, decision), "{about}");
        assert_eq!(verdict.effects, [], "{about}");
    }
}

#[test]
fn a_session_is_bound_by_the_success_of_its_initialize_only() {
    let named = Some(Ok(KEY));
    for (about, body, response, bound) in [
        ("an initialize", INITIALIZE, response(200, named), true),
        ("an initialize, accepted", INITIALIZE, response(202, named), true),
        ("an initialize that cannot be read", b"\x1f\x8b", response(200, named), true),
        ("an initialize without an id", INITIALIZE, response(200, None), false),
        ("an initialize with a bad id", INITIALIZE, response(200, Some(Err(BadId::Empty))), false),
        ("a failure that carries a fresh id", INITIALIZE, response(400, named), false),
        ("a redirection", INITIALIZE, response(307, named), false),
        ("another method", LIST, response(200, named), false),
        ("a batch", b"[]", response(200, named), false),
    ] {
        let verdict = last(opening(body, response));
        let wanted = match (bound, about) {
            (true, _) => (Act::Bind { key: KEY, place: POD, incarnation: None }, None),
            (false, "an initialize with a bad id") => (Act::Pass, Some(Decision::BadIdOfPod)),
            (false, _) => (Act::Pass, Some(Decision::NotBound)),
        };
        assert_eq!((verdict.act, verdict.decision), wanted, "{about}");
    }
}

#[test]
fn what_the_store_says_decides_whether_the_client_learns_of_its_session() {
    for (binding, act, decision) in [
        (Binding::Bound, Act::Pass, Decision::Bound),
        (Binding::Taken, Act::ReplaceHeaders(Reply::unavailable()), Decision::IdTaken),
        (Binding::Outside, Act::ReplaceHeaders(Reply::unavailable()), Decision::Outside),
        (Binding::Failed, Act::ReplaceHeaders(Reply::unavailable()), Decision::StoreFailed),
    ] {
        let events = opening(INITIALIZE, response(200, Some(Ok(KEY))));
        let verdict = last(with(events, [Event::Stored(binding)]));
        assert_eq!((verdict.act, verdict.decision), (act, Some(decision)));
        let ended = match binding {
            // To a place outside of the workload nothing is sent.
            Binding::Bound | Binding::Outside => vec![],
            Binding::Taken | Binding::Failed => vec![Effect::EndOnPod(POD)],
        };
        assert_eq!((verdict.session, verdict.effects), (Some(KEY), ended));
    }
}

#[test]
fn an_error_in_the_body_undoes_the_binding() {
    for (body, undone) in
        [(&br#"{"id":1,"error":{"code":-32602}}"#[..], true), (br#"{"id":1,"result":{}}"#, false)]
    {
        let events = opening(INITIALIZE, response(200, Some(Ok(KEY))));
        let stored = Event::Stored(Binding::Bound);
        let (first, rest) = body.split_at(9);
        let body = [Event::ResponseBody(first), Event::ResponseBody(rest)];
        let verdict = last(with(with(events, [stored]), body));
        assert_eq!(verdict.effects, unbound(undone, None));
        assert_eq!(verdict.decision, undone.then_some(Decision::Undone));
        assert_eq!(verdict.act, Act::Pass);
    }
}

#[test]
fn the_answer_to_a_session_decides_whether_it_goes_on() {
    use Decision::*;
    let by_proxy = ResponseHead { source: Source::Proxy(Cause::Other), ..response(404, None) };
    let ended_by_proxy = ResponseHead { status: 204, ..by_proxy };
    let alone = ResponseHead { has_body: false, ..response(404, None) };
    let replaced = Act::ReplaceHeaders(Reply::session_not_found());
    let instead = Act::ReplyInstead(Reply::session_not_found());
    use Method::{Delete, Post};
    for (about, method, response, act, decision, over) in [
        ("a success", Post, response(200, None), Act::Pass, None, false),
        ("a success that names it", Post, response(200, Some(Ok(KEY))), Act::Pass, None, false),
        ("a failure", Post, response(500, None), Act::Pass, None, false),
        ("another client error", Post, response(422, None), Act::Pass, None, false),
        ("a lost session", Post, response(404, None), replaced.clone(), Some(Lost), true),
        ("a lost session, without a body", Post, alone, instead, Some(Lost), true),
        ("no route in the proxy", Post, by_proxy, Act::Pass, None, false),
        ("a DELETE done", Delete, response(204, None), Act::Pass, Some(Ended), true),
        (
            "a DELETE that the proxy answers",
            Delete,
            ended_by_proxy,
            Act::Pass,
            Some(EndRefused),
            false,
        ),
        ("a DELETE done before", Delete, response(404, None), replaced, Some(Lost), true),
        ("a DELETE refused", Delete, response(405, None), Act::Pass, Some(EndRefused), false),
        ("a DELETE that failed", Delete, response(500, None), Act::Pass, Some(EndRefused), false),
    ] {
        let verdict = last(with(using(method, live()), [Event::ResponseHeaders(response)]));
        assert_eq!((verdict.act, verdict.decision), (act, decision), "{about}");
        let mut wanted = unbound(over, Some(PIN));
        wanted.extend((decision == Some(Lost)).then_some(Effect::Restarted(POD)));
        assert_eq!(verdict.effects, wanted, "{about}");
    }
}

fn endpoint(last: u8) -> SocketAddr {
    ([10, 0, 0, last], 8080).into()
}

/// Where the proxy picks, a session lives where it was opened.
#[test]
fn a_session_is_bound_to_the_endpoint_that_opened_it() {
    let opened = |response| {
        let placed = [Event::Asked(Intent::Open), Event::Placed(None)];
        with(placed.into(), [Event::RequestBody(INITIALIZE), Event::ResponseHeaders(response)])
    };
    let placed = last(opened(response(200, None))[..2].to_vec());
    assert_eq!((placed.act, placed.decision), (Act::Pass, Some(Decision::Placed)));
    let named = response(200, Some(Ok(KEY)));
    let verdict = last(opened(ResponseHead { answered_by: Some(endpoint(1)), ..named }));
    let (place, incarnation) = (Place::Endpoint(endpoint(1)), Some(endpoint(1)));
    assert_eq!(verdict.act, Act::Bind { key: KEY, place, incarnation });
    let verdict = last(opened(named));
    assert_eq!(verdict.act, Act::ReplaceHeaders(Reply::unavailable()));
    assert_eq!(verdict.decision, Some(Decision::Outside), "where it was opened is not known");
}

#[test]
fn a_response_of_another_endpoint_is_noticed_and_the_pin_stays() {
    use Method::{Delete, Other, Post};
    let pin = Pin { place: Place::Endpoint(endpoint(1)), ..PIN };
    let not_found = Act::ReplaceHeaders(Reply::session_not_found());
    let from =
        |last, status| ResponseHead { answered_by: Some(endpoint(last)), ..response(status, None) };
    let by_proxy = |cause| ResponseHead { source: Source::Proxy(cause), ..from(2, 503) };
    let unknown = ResponseHead { answered_by: None, ..from(1, 200) };
    let strayed = Some(Decision::Strayed);
    for (about, method, response, act, decision) in [
        ("its own", Post, from(1, 200), Act::Pass, None),
        ("its own, in error", Post, from(1, 422), Act::Pass, None),
        ("not known whose", Post, unknown, Act::Pass, None),
        ("another's", Post, from(2, 200), Act::Pass, strayed),
        ("another's, which does not know it", Post, from(2, 400), not_found.clone(), strayed),
        ("another's, to a GET", Other, from(2, 404), not_found.clone(), strayed),
        ("another's, in trouble", Post, from(2, 500), Act::Pass, strayed),
        ("another's, to a DELETE", Delete, from(2, 204), Act::Pass, strayed),
        ("the proxy's, of a time-out there", Post, by_proxy(Cause::TimedOut), Act::Pass, None),
    ] {
        let verdict =
            last(with(using(method, Lookup::Live(pin)), [Event::ResponseHeaders(response)]));
        assert_eq!((verdict.act, verdict.decision), (act, decision), "{about}");
        assert_eq!(verdict.effects, [], "{about}");
    }
}

#[test]
fn the_body_of_a_replaced_response_is_replaced_once_and_the_rest_of_it_dropped() {
    let lost = with(using(Method::Post, live()), [Event::ResponseHeaders(response(404, None))]);
    let body = Reply::session_not_found().body;
    for (pieces, wanted) in [(1, body.as_str()), (2, ""), (3, "")] {
        let pieces = (0..pieces).map(|_| Event::ResponseBody(b"theirs"));
        let verdict = last(with(lost.clone(), pieces));
        assert_eq!(verdict.act, Act::ReplaceBody(wanted.to_owned()));
    }
}

#[test]
fn bodies_are_read_only_while_they_can_tell_something() {
    let stored = Event::Stored(Binding::Bound);
    let events = opening(INITIALIZE, response(200, Some(Ok(KEY))));
    let result = Event::ResponseBody(br#"{"result":{}}"#);
    let mut exchange = Exchange::default();
    let mut reads = Vec::new();
    for event in with(events, [stored, result]) {
        exchange = exchange.on(event, &POLICY).0;
        reads.push((exchange.wants_of_request_body() > 0, exchange.wants_of_response_body() > 0));
    }
    let (no, request, response) = ((false, false), (true, false), (false, true));
    assert_eq!(reads, [no, request, no, no, response, no]);

    let mut exchange = Exchange::default();
    for event in
        with(using(Method::Post, live()), [Event::ResponseHeaders(self::response(200, None))])
    {
        exchange = exchange.on(event, &POLICY).0;
        assert_eq!(
            (exchange.wants_of_request_body() > 0, exchange.wants_of_response_body() > 0),
            no
        );
    }
}

#[test]
fn an_event_that_nothing_waits_for_passes() {
    let stray = || {
        [
            Event::Placed(Some(POD)),
            Event::Looked(live()),
            Event::SteeringRefused,
            Event::RequestBody(INITIALIZE),
            Event::ResponseHeaders(response(404, None)),
            Event::Stored(Binding::Failed),
            Event::ResponseBody(b"{\"error\":1}"),
        ]
    };
    for over in [Intent::Elsewhere, Intent::Malformed(BadId::Empty)] {
        for event in stray() {
            assert_eq!(last(vec![Event::Asked(over), event]), Verdict::pass());
        }
    }
}
