//! Sessions that their pod may not know any more, and pods that cannot be reached.

use super::*;

#[test]
fn a_response_that_may_mean_a_lost_session_waits_until_the_pod_was_asked() {
    use Method::{Delete, Other, Post};
    let doubted = |status| ResponseHead { is_doubted: true, ..response(status, None) };
    let by_proxy = |cause| ResponseHead { source: Source::Proxy(cause), ..response(503, None) };
    let for_credentials = ResponseHead { wants_credentials: true, ..response(401, None) };
    for (about, method, response, asks) in [
        ("most servers", Post, response(400, None), true),
        ("to a stream", Other, response(400, None), true),
        ("to an end", Delete, response(400, None), true),
        ("no such session, or no streams", Other, response(404, None), true),
        ("a plain 401", Post, response(401, None), true),
        ("who are you", Post, for_credentials, false),
        ("you may not", Post, response(403, None), false),
        ("gone", Post, response(410, None), true),
        ("a 503 of the pod", Post, response(503, None), true),
        ("a bug", Post, response(500, None), false),
        ("too many", Post, response(429, None), false),
        ("no streams", Other, response(405, None), false),
        ("no streams, after a restart", Other, doubted(405), true),
        ("you may not, after a restart", Post, doubted(403), true),
        ("a bug after a restart", Post, doubted(500), false),
        ("a connection that ended", Post, by_proxy(Cause::Reset), true),
        ("a time-out", Post, by_proxy(Cause::TimedOut), false),
        ("a circuit breaker", Post, by_proxy(Cause::Overloaded), false),
    ] {
        let verdict = last(with(using(method, live()), [Event::ResponseHeaders(response)]));
        let ask = Act::Ask { key: KEY, pin: PIN, answered_by: None };
        assert_eq!(verdict.act == ask, asks, "{about}");
        assert_eq!(
            (verdict.decision == Some(Decision::EndRefused), verdict.effects),
            (false, vec![])
        );
    }
}

#[test]
fn what_the_pod_says_of_the_session_decides() {
    use Answer::{Alive, Lost, Unknown, Unreachable};
    let of_pod = |status| response(status, None);
    let doubted = |status| ResponseHead { is_doubted: true, ..of_pod(status) };
    let reset = ResponseHead { source: Source::Proxy(Cause::Reset), ..of_pod(503) };
    let not_found = Act::ReplaceHeaders(Reply::session_not_found());
    let lost = (not_found.clone(), Some(Decision::Lost));
    let gone = (not_found, Some(Decision::Unreachable));
    let pass = (Act::Pass, None);
    for (about, response, answer, (act, decision)) in [
        ("it knows it", of_pod(400), Alive, pass.clone()),
        ("it does not", of_pod(400), Lost, lost.clone()),
        ("it is gone meanwhile", of_pod(400), Unreachable, gone.clone()),
        ("it does not say", of_pod(400), Unknown, pass.clone()),
        ("it knows it, after a restart", doubted(400), Alive, pass.clone()),
        ("it does not say, after a restart", doubted(400), Unknown, lost.clone()),
        ("it does not say, which is about the request", doubted(415), Unknown, pass.clone()),
        ("only the connection ended", reset, Alive, pass),
        ("it ended, and came back without it", reset, Lost, lost),
        ("it ended", reset, Unreachable, gone.clone()),
        ("it ended, or so it seems", reset, Unknown, gone),
    ] {
        let events = [Event::ResponseHeaders(response), Event::Told(answer)];
        let verdict = last(with(using(Method::Post, live()), events));
        assert_eq!((&verdict.act, verdict.decision), (&act, decision), "{about}");
        let effects = match decision {
            Some(Decision::Lost) => {
                vec![Effect::Unbind(KEY, Some(PIN)), Effect::Restarted(POD)]
            }
            Some(_) => vec![Effect::Unreachable(POD, response.source == Source::Pod)],
            None => vec![],
        };
        assert_eq!(verdict.effects, effects, "{about}");
    }
}

#[test]
fn a_success_is_looked_at_for_a_lost_session_as_it_passes() {
    let heeded = ResponseHead { is_heeded: true, ..response(200, None) };
    let success = with(using(Method::Post, live()), [Event::ResponseHeaders(heeded)]);
    let error = br#"{"id":1,"error":{"code":-32001,"message":"gone"}}"#;
    let long = [b' '; HEEDED];
    let asks = vec![Effect::AskInPassing(KEY, PIN)];
    for (about, pieces, wanted) in [
        ("an error", &[&error[..]][..], asks.clone()),
        ("after a priming event", &[b"id: 1\ndata: \n\n", error], asks),
        ("a result", &[br#"{"id":1,"result":{}}"#], vec![]),
        ("late in a long answer", &[&long, error], vec![]),
    ] {
        let pieces = pieces.iter().map(|piece| Event::ResponseBody(piece));
        let verdict = last(with(success.clone(), pieces));
        assert_eq!((verdict.act, verdict.effects), (Act::Pass, wanted), "{about}");
    }
}

#[test]
fn a_pod_that_cannot_be_reached_is_answered_as_configured_and_keeps_its_sessions() {
    use OnUnreachable::{NotFound, Unavailable};
    let not_found = Act::ReplaceHeaders(Reply::session_not_found());
    let unavailable = Act::ReplaceHeaders(Reply::unavailable());
    let at = Place::Endpoint(endpoint(1));
    let unreachable = Some(Decision::Unreachable);
    for (about, place, cause, status, on_unreachable, act, decision) in [
        ("not in DNS", POD, Cause::NoAddress, 503, NotFound, not_found.clone(), unreachable),
        ("refused", POD, Cause::Unreachable, 503, NotFound, not_found.clone(), unreachable),
        ("refused", POD, Cause::Unreachable, 503, Unavailable, unavailable.clone(), unreachable),
        ("refused", at, Cause::Unreachable, 503, Unavailable, unavailable.clone(), unreachable),
        ("gone from its cluster", at, Cause::NoAddress, 404, Unavailable, not_found, unreachable),
        ("refused, as 404", POD, Cause::Unreachable, 404, Unavailable, unavailable, unreachable),
        ("busy", POD, Cause::Overloaded, 503, NotFound, Act::Pass, None),
        ("slow", POD, Cause::TimedOut, 504, NotFound, Act::Pass, None),
    ] {
        let response = ResponseHead { source: Source::Proxy(cause), ..response(status, None) };
        let live = Lookup::Live(Pin { place, ..PIN });
        let mut exchange = Exchange::default();
        let mut verdict = Verdict::pass();
        for event in with(using(Method::Post, live), [Event::ResponseHeaders(response)]) {
            (exchange, verdict) = exchange.on(event, &Policy { on_unreachable });
        }
        assert_eq!((verdict.act, verdict.decision), (act, decision), "{about}");
        let refuses = cause == Cause::Unreachable;
        let unreachable = decision.map(|_| Effect::Unreachable(place, refuses));
        assert_eq!(verdict.effects, Vec::from_iter(unreachable), "{about}");
    }
}

/// A request that opens a session is answered by the proxy, as any other client's would be.
#[test]
fn a_pod_that_opens_no_session_because_it_is_not_there_gets_none_for_a_while() {
    for (cause, wanted) in [
        (Cause::NoAddress, Some(Effect::Unreachable(POD, false))),
        (Cause::Unreachable, Some(Effect::Unreachable(POD, true))),
        (Cause::Reset, Some(Effect::Unreachable(POD, false))),
        (Cause::TimedOut, None),
        (Cause::Overloaded, None),
    ] {
        let response = ResponseHead { source: Source::Proxy(cause), ..response(503, None) };
        let verdict = last(opening(INITIALIZE, response));
        assert_eq!((verdict.act, verdict.decision), (Act::Pass, Some(Decision::NotBound)));
        assert_eq!(verdict.effects, Vec::from_iter(wanted), "{cause:?}");
    }
}
