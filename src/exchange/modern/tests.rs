use std::net::SocketAddr;

use super::*;
use crate::exchange::{Intent, OnUnreachable, Policy};
use crate::pods::Ordinal;
use crate::session::{Pin, Timestamp};

const KEY: SessionKey = SessionKey::from_bytes([7; 16]);
const POD: Place = Place::Pod(Ordinal(2));
const OTHER: Place = Place::Pod(Ordinal(1));
const POLICY: Policy = Policy { on_unreachable: OnUnreachable::NotFound };

fn asked(pod: Option<Ordinal>, is_remembered: Option<bool>) -> Event<'static> {
    let keyed = is_remembered.map(|is_remembered| Keyed { key: KEY, is_remembered });
    Event::Asked(Intent::Ruled(Ruling { pod, task: None, keyed }))
}

fn live(place: Place) -> Event<'static> {
    let (bound_at, used_at) = (Timestamp(0), Timestamp(0));
    let pin = Pin { place, incarnation: None, subject: None, bound_at, used_at };
    Event::Looked(Lookup::Live(pin))
}

fn chosen(place: Place, is_sure: bool) -> Event<'static> {
    Event::Chosen(Some(Choice { place, is_sure }))
}

fn last(events: Vec<Event<'_>>) -> Verdict {
    let mut exchange = Exchange::default();
    let mut verdict = Verdict::pass();
    for event in events {
        (exchange, verdict) = exchange.on(event, &POLICY);
    }
    verdict
}

#[test]
fn a_key_leads_to_a_pod_and_nothing_to_an_answer_of_ours() {
    use Decision::*;
    let unknown = || Event::Looked(Lookup::Unknown);
    let keep = Act::Keep { key: KEY, place: POD };
    let (steer, pod) = (Act::Steer(POD), Some(Ordinal(2)));
    let key = || asked(None, Some(false));
    let remembered = || asked(None, Some(true));
    for (about, events, act, decision) in [
        ("a key", vec![key()], Act::Choose(KEY), None),
        ("its pod", vec![key(), chosen(POD, true)], steer.clone(), Some(Keyed)),
        ("a guess", vec![key(), chosen(POD, false)], steer.clone(), Some(Keyed)),
        ("no pod", vec![key(), Event::Chosen(None)], Act::Pass, Some(Untracked)),
        ("a kept key", vec![remembered()], Act::Recall(KEY), None),
        ("its pod, kept", vec![remembered(), live(POD)], steer.clone(), Some(Keyed)),
        ("not kept yet", vec![remembered(), unknown()], Act::Choose(KEY), None),
        (
            "a guess is not kept",
            vec![remembered(), unknown(), chosen(POD, false)],
            steer.clone(),
            Some(Keyed),
        ),
        (
            "a choice is kept before the request goes on",
            vec![remembered(), unknown(), chosen(POD, true)],
            keep.clone(),
            None,
        ),
        (
            "and then",
            vec![remembered(), unknown(), chosen(POD, true), Event::Stored(Binding::Bound)],
            steer.clone(),
            Some(Keyed),
        ),
        (
            "a store that does not take it",
            vec![remembered(), unknown(), chosen(POD, true), Event::Stored(Binding::Failed)],
            steer.clone(),
            Some(Keyed),
        ),
        (
            "another was quicker",
            vec![
                remembered(),
                unknown(),
                chosen(OTHER, true),
                Event::Stored(Binding::Taken),
                live(POD),
            ],
            steer.clone(),
            Some(Keyed),
        ),
        (
            "another was quicker, and cannot be told",
            vec![
                remembered(),
                unknown(),
                chosen(POD, true),
                Event::Stored(Binding::Taken),
                unknown(),
            ],
            steer.clone(),
            Some(Keyed),
        ),
        (
            "a store that cannot say",
            vec![remembered(), Event::Looked(Lookup::Failed), chosen(POD, true)],
            steer.clone(),
            Some(Keyed),
        ),
        (
            "the proxy picks",
            vec![remembered(), unknown(), Event::Chosen(None)],
            Act::Pass,
            Some(Untracked),
        ),
        ("a pod by name", vec![asked(pod, None)], Act::Reach(Ordinal(2)), None),
        (
            "one that is there",
            vec![asked(pod, None), chosen(POD, true)],
            steer.clone(),
            Some(Keyed),
        ),
        ("one that is not", vec![asked(pod, None), Event::Chosen(None)], Act::Place, None),
        (
            "any that is",
            vec![asked(pod, None), Event::Chosen(None), Event::Placed(Some(POD))],
            steer.clone(),
            Some(Untracked),
        ),
        (
            "none",
            vec![asked(pod, None), Event::Chosen(None), Event::Placed(None)],
            Act::Pass,
            Some(Untracked),
        ),
        (
            "one that is not, and a key",
            vec![asked(pod, Some(false)), Event::Chosen(None)],
            Act::Choose(KEY),
            None,
        ),
        (
            "a proxy that refuses the steering",
            vec![key(), chosen(POD, true), Event::SteeringRefused],
            Act::Pass,
            Some(Untracked),
        ),
    ] {
        let verdict = last(events);
        assert_eq!((verdict.act, verdict.decision), (act, decision), "{about}");
    }
}

#[test]
fn every_response_passes_and_one_that_no_pod_sent_is_learnt_from() {
    let here: SocketAddr = "10.0.0.1:8080".parse().unwrap();
    let there: SocketAddr = "10.0.0.2:8080".parse().unwrap();
    let at = |place| vec![asked(None, Some(true)), live(place)];
    let by =
        |cause, status| ResponseHead { source: Source::Proxy(cause), ..ResponseHead::of(status) };
    let from = |address| ResponseHead { answered_by: Some(address), ..ResponseHead::of(200) };
    let endpoint = Place::Endpoint(here);
    for (about, place, response, wanted) in [
        ("a success", POD, ResponseHead::of(200), vec![]),
        ("an error", POD, ResponseHead::of(400), vec![]),
        ("no such method", POD, ResponseHead::of(404), vec![]),
        ("an overloaded pod", POD, by(Cause::Overloaded, 503), vec![]),
        ("a pod that ended", POD, by(Cause::Reset, 503), vec![]),
        (
            "a pod that refuses",
            POD,
            by(Cause::Unreachable, 503),
            vec![Effect::Unreachable(POD, true), Effect::Forget(KEY)],
        ),
        (
            "a pod without an address",
            POD,
            by(Cause::NoAddress, 503),
            vec![Effect::Unreachable(POD, false), Effect::Forget(KEY)],
        ),
        ("its endpoint", endpoint, from(here), vec![]),
        ("another endpoint", endpoint, from(there), vec![Effect::Forget(KEY)]),
    ] {
        let mut events = at(place);
        events.push(Event::ResponseHeaders(response));
        let verdict = last(events);
        assert_eq!((verdict.act, verdict.effects), (Act::Pass, wanted), "{about}");
    }
}

#[test]
fn a_request_whose_pod_is_not_there_is_sent_again_if_another_is() {
    let by = |cause| ResponseHead { source: Source::Proxy(cause), ..ResponseHead::of(503) };
    let task = Ruling { pod: None, task: Some(Task::Named(KEY)), keyed: None };
    let makes = Ruling { pod: None, task: Some(Task::Maybe), keyed: None };
    let asked_of = |ruling| Event::Asked(Intent::Ruled(ruling));
    for (about, before, is_kept) in [
        ("a key", vec![asked(None, Some(false)), chosen(POD, true)], false),
        ("a key that is kept", vec![asked(None, Some(true)), live(POD)], true),
        ("a pod by name", vec![asked(Some(Ordinal(2)), None), chosen(POD, true)], false),
        ("a task", vec![asked_of(task), live(POD)], false),
        ("a call", vec![asked_of(makes), Event::Placed(Some(POD))], false),
    ] {
        for (cause, refuses) in [(Cause::Unreachable, true), (Cause::NoAddress, false)] {
            let mut effects = vec![Effect::Unreachable(POD, refuses)];
            effects.extend(is_kept.then_some(Effect::Forget(KEY)));
            for (has_another, has_body, act, decision) in [
                (true, true, Act::ReplaceHeaders(Reply::send_again()), Some(Decision::SentAgain)),
                (true, false, Act::ReplyInstead(Reply::send_again()), Some(Decision::SentAgain)),
                (false, true, Act::Pass, None),
            ] {
                let response = ResponseHead { has_another, has_body, ..by(cause) };
                let response = Event::ResponseHeaders(response);
                let verdict = last(before.iter().cloned().chain([response]).collect());
                let got = (verdict.act, verdict.decision, verdict.effects);
                assert_eq!(got, (act, decision, effects.clone()), "{about}, {cause:?}");
            }
        }
        for cause in [Cause::Reset, Cause::TimedOut, Cause::Overloaded, Cause::Other] {
            let response = ResponseHead { has_another: true, ..by(cause) };
            let response = Event::ResponseHeaders(response);
            let verdict = last(before.iter().cloned().chain([response]).collect());
            assert_eq!(verdict, Verdict::pass(), "{about}: it may have been served, {cause:?}");
        }
    }
}

#[test]
fn where_the_proxy_picks_the_response_tells_what_is_to_be_kept() {
    let address: SocketAddr = "10.0.0.1:8080".parse().unwrap();
    let picked = |response| {
        let unknown = Event::Looked(Lookup::Unknown);
        let response = Event::ResponseHeaders(response);
        vec![asked(None, Some(true)), unknown, Event::Chosen(None), response]
    };
    let head = |status| ResponseHead { answered_by: Some(address), ..ResponseHead::of(status) };
    let keep = Act::Keep { key: KEY, place: Place::Endpoint(address) };
    assert_eq!(last(picked(head(200))).act, keep);
    assert_eq!(last(picked(head(400))).act, keep, "it has the state all the same");
    assert_eq!(last(picked(head(503))).act, Act::Pass);
    assert_eq!(last(picked(ResponseHead::of(200))).act, Act::Pass);
    let mut events = picked(head(200));
    events.push(Event::Stored(Binding::Bound));
    let verdict = last(events);
    assert_eq!((verdict.act, verdict.decision), (Act::Pass, Some(Decision::Learned)));
}
