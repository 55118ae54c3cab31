//! A request without a session that a rule concerns: where it goes, and what is kept of that.
//!
//! Nothing is ever answered in a pod's place. Where nothing is known the proxy picks, and the pod that gets the
//! request says what is wrong, to the request's own id. If the pod that it was sent to is not there, its client
//! sends it again, and it goes to one that is.

use crate::host::{Cause, Source};
use crate::http::Reply;
use crate::message::{Found, Media, TaskPeek};
use crate::modern::{Keyed, Ruling, Task};
use crate::pods::Place;
use crate::session::SessionKey;
use crate::store::{Binding, Lookup};
use crate::telemetry::Decision;

use super::{Act, Effect, Event, Exchange, ResponseHead, Verdict};

/// Such an exchange.
#[derive(Clone, Debug)]
pub struct Ruled {
    /// Where it stands.
    pub(crate) step: Step,
    /// Its response may be a task, which lives where it was made.
    makes_task: bool,
}

/// Where one stands.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// It names a pod, and waits for whether that can be reached; what counts if not.
    Naming { otherwise: Option<Keyed> },
    /// It is about a task, which is being looked up; what counts if that is not known.
    Tracing { otherwise: Option<Keyed> },
    /// It has no key, and waits for a pod to be picked.
    Placing,
    /// Nothing is known of what it names, and it waits for any pod to be picked.
    Straying,
    /// It is being looked up which pod its key has.
    Recalling { key: SessionKey },
    /// A pod is being chosen for its key; whether that is to be kept.
    Choosing { key: SessionKey, is_kept: bool },
    /// The choice is being kept.
    Keeping { key: SessionKey, place: Place },
    /// Another request with its key was quicker. What that chose is being looked up; where it goes if that is
    /// not known either.
    Yielding { place: Place },
    /// It went there, or where the proxy picks; of which key that is kept, or is to be.
    Sent { place: Option<Place>, kept: Option<SessionKey> },
    /// It went where the proxy picks, which is being kept, while its response waits.
    Noting { key: SessionKey, place: Place, media: Media },
    /// It was answered from there, maybe by a task.
    Peeking { place: Place, peek: Box<TaskPeek> },
    /// It was answered by a task, which is being kept, while the response waits.
    Tracking { key: SessionKey },
}

/// A pod for a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Choice {
    /// Where that is.
    pub place: Place,
    /// It is not only that nothing better is known.
    pub is_sure: bool,
}

// === impl Ruled ===

impl Ruled {
    /// Whether the response waits, not the request.
    pub(crate) fn holds_response(&self) -> bool {
        matches!(self.step, Step::Noting { .. } | Step::Tracking { .. })
    }

    /// Whether its response may be a task.
    pub(crate) fn may_make_task(&self) -> bool {
        self.makes_task
    }

    /// Whether a store is being asked.
    pub(crate) fn waits(&self) -> bool {
        matches!(
            self.step,
            Step::Tracing { .. }
                | Step::Recalling { .. }
                | Step::Keeping { .. }
                | Step::Yielding { .. }
                | Step::Noting { .. }
                | Step::Tracking { .. }
        )
    }

    /// How much of the next piece of the response's body is worth reading, in bytes.
    pub(super) fn wants_of_response_body(&self) -> usize {
        match &self.step {
            Step::Peeking { peek, .. } => peek.wants(),
            _ => 0,
        }
    }

    /// Whether a piece of the response's body waits.
    pub(super) fn holds_response_body(&self) -> bool {
        matches!(self.step, Step::Tracking { .. })
    }

    /// Takes one event, as [`Exchange::on`] does.
    pub(super) fn on(self, event: Event<'_>) -> (Exchange, Verdict) {
        let makes_task = self.makes_task;
        let (step, verdict) = match (self.step, event) {
            (Step::Naming { .. }, Event::Chosen(Some(Choice { place, .. }))) => {
                sent(place, None, Decision::Keyed)
            }
            (
                Step::Naming { otherwise: Some(keyed) } | Step::Tracing { otherwise: Some(keyed) },
                Event::Chosen(None)
                | Event::Looked(
                    Lookup::Unknown | Lookup::Expired | Lookup::Strangers | Lookup::Failed,
                ),
            ) => by_key(keyed),
            (Step::Tracing { .. }, Event::Looked(Lookup::Live(pin))) => {
                sent(pin.place, None, Decision::Steered)
            }
            (Step::Tracing { .. }, Event::Looked(_))
            | (Step::Naming { .. }, Event::Chosen(None)) => {
                (Some(Step::Straying), Verdict::next(Act::Place))
            }
            (Step::Straying, Event::Placed(Some(place))) => sent(place, None, Decision::Untracked),
            (Step::Straying, Event::Placed(None)) => untracked(None),
            (Step::Placing, Event::Placed(Some(place))) => sent(place, None, Decision::Placed),
            (Step::Placing, Event::Placed(None)) => {
                let passed = Verdict::because(Decision::Sessionless, Act::Pass);
                (Some(Step::Sent { place: None, kept: None }), passed)
            }
            (Step::Recalling { key }, Event::Looked(Lookup::Live(pin))) => {
                sent(pin.place, Some(key), Decision::Keyed)
            }
            (Step::Recalling { key }, Event::Looked(found)) => {
                choosing(key, found != Lookup::Failed)
            }
            (Step::Choosing { key, is_kept }, Event::Chosen(Some(Choice { place, is_sure }))) => {
                match is_kept && is_sure {
                    true => {
                        let keep = Verdict::next(Act::Keep { key, place });
                        (Some(Step::Keeping { key, place }), keep)
                    }
                    false => sent(place, None, Decision::Keyed),
                }
            }
            (Step::Choosing { key, is_kept }, Event::Chosen(None)) => {
                untracked(Some(key).filter(|_| is_kept))
            }
            (Step::Keeping { key, place }, Event::Stored(Binding::Taken)) => {
                (Some(Step::Yielding { place }), Verdict::next(Act::Recall(key)))
            }
            (Step::Keeping { key, place }, Event::Stored(binding)) => {
                let kept = (binding == Binding::Bound).then_some(key);
                sent(place, kept, Decision::Keyed)
            }
            (Step::Yielding { .. }, Event::Looked(Lookup::Live(pin))) => {
                sent(pin.place, None, Decision::Keyed)
            }
            (Step::Yielding { place }, Event::Looked(_)) => sent(place, None, Decision::Keyed),
            (Step::Sent { place: Some(place), kept }, Event::ResponseHeaders(response)) => {
                if is_unreachable(&response) {
                    return unreachable(place, kept, response);
                }
                match response.strayed_from(place) || response.source != Source::Pod {
                    true => (None, strayed(place, kept, &response)),
                    false => peeking(makes_task, place, &response, Verdict::pass()),
                }
            }
            (Step::Sent { place: None, kept }, Event::ResponseHeaders(response)) => {
                picked(makes_task, kept, &response)
            }
            (Step::Noting { key, place, media }, Event::Stored(binding)) => {
                let verdict = match binding {
                    Binding::Bound => Verdict::pass().about(key, Decision::Learned),
                    Binding::Taken | Binding::Outside | Binding::Failed => Verdict::pass(),
                };
                let response = ResponseHead { media, ..ResponseHead::of(200) };
                peeking(makes_task && media != Media::Other, place, &response, verdict)
            }
            (Step::Peeking { place, mut peek }, Event::ResponseBody(bytes)) => {
                match peek.read(bytes) {
                    Some(Found::Task(id)) => {
                        let name = Verdict::next(Act::Name(id.clone()));
                        (Some(Step::Peeking { place, peek }), name)
                    }
                    Some(Found::Unread) => (None, unread()),
                    Some(Found::Other) => (None, Verdict::pass()),
                    None => (Some(Step::Peeking { place, peek }), Verdict::pass()),
                }
            }
            (Step::Peeking { place, .. }, Event::Named(named)) => match named {
                Ok(key) => (Some(Step::Tracking { key }), Verdict::next(Act::Keep { key, place })),
                Err(_) => (None, unread()),
            },
            (Step::Tracking { key }, Event::Stored(binding)) => match binding {
                Binding::Bound => (None, Verdict::pass().about(key, Decision::Learned)),
                Binding::Taken | Binding::Outside | Binding::Failed => {
                    (None, Verdict::pass().about(key, Decision::TaskUnread))
                }
            },
            (_, Event::Chosen(None) | Event::SteeringRefused) => untracked(None),
            // The proxy has answered by itself, of a time-out say, what still waited.
            (_, Event::ResponseHeaders(_)) => (None, Verdict::pass()),
            (step, _) => (Some(step), Verdict::pass()),
        };
        let ruled = step.map(|step| Exchange::Ruled(Self { step, makes_task }));
        (ruled.unwrap_or(Exchange::Over), verdict)
    }
}

impl Exchange {
    /// A request came that a rule concerns.
    pub(super) fn ruled(ruling: Ruling) -> (Self, Verdict) {
        let Ruling { pod, task, keyed } = ruling;
        let otherwise = keyed;
        let (step, verdict) = match (pod, task, keyed) {
            (Some(pod), ..) => (Some(Step::Naming { otherwise }), Verdict::next(Act::Reach(pod))),
            (None, Some(Task::Named(key)), _) => {
                (Some(Step::Tracing { otherwise }), Verdict::next(Act::Recall(key)))
            }
            (None, _, Some(keyed)) => by_key(keyed),
            (None, Some(Task::Unnamed), None) => {
                (None, Verdict::because(Decision::TaskUnnamed, Act::Pass))
            }
            (None, Some(Task::Maybe), None) => (Some(Step::Placing), Verdict::next(Act::Place)),
            (None, None, None) => untracked(None),
        };
        let makes_task = task == Some(Task::Maybe);
        let ruled = step.map(|step| Self::Ruled(Ruled { step, makes_task }));
        (ruled.unwrap_or(Self::Over), verdict)
    }
}

/// A step, if there is one more, and what is to be done.
type Next = (Option<Step>, Verdict);

fn by_key(Keyed { key, is_remembered }: Keyed) -> Next {
    match is_remembered {
        true => (Some(Step::Recalling { key }), Verdict::next(Act::Recall(key))),
        false => choosing(key, false),
    }
}

fn choosing(key: SessionKey, is_kept: bool) -> Next {
    (Some(Step::Choosing { key, is_kept }), Verdict::next(Act::Choose(key)))
}

fn sent(place: Place, kept: Option<SessionKey>, decision: Decision) -> Next {
    let steer = Verdict::because(decision, Act::Steer(place));
    (Some(Step::Sent { place: Some(place), kept }), steer)
}

/// It goes where the proxy picks, which is kept if there is a key.
fn untracked(kept: Option<SessionKey>) -> Next {
    let passed = Verdict::because(Decision::Untracked, Act::Pass);
    (Some(Step::Sent { place: None, kept }), passed)
}

fn unread() -> Verdict {
    Verdict::because(Decision::TaskUnread, Act::Pass)
}

/// Whether the proxy has found the place not to be there, and so has sent nothing.
fn is_unreachable(response: &ResponseHead) -> bool {
    matches!(response.source, Source::Proxy(Cause::NoAddress | Cause::Unreachable))
}

/// No request is to go there again, and this one elsewhere if there is another.
fn unreachable(
    place: Place,
    kept: Option<SessionKey>,
    response: ResponseHead,
) -> (Exchange, Verdict) {
    let refuses = response.source == Source::Proxy(Cause::Unreachable);
    let (exchange, mut verdict) = match response.has_another {
        true => Exchange::replaced(response, Reply::send_again()),
        false => (Exchange::Over, Verdict::pass()),
    };
    verdict.decision = response.has_another.then_some(Decision::SentAgain);
    verdict.effects.push(Effect::Unreachable(place, refuses));
    verdict.effects.extend(kept.map(Effect::Forget));
    (exchange, verdict)
}

/// The response passes, whatever it is. But if another endpoint has sent it, the key has that by now.
fn strayed(place: Place, kept: Option<SessionKey>, response: &ResponseHead) -> Verdict {
    let forget = kept.filter(|_| response.strayed_from(place)).map(Effect::Forget);
    forget.into_iter().fold(Verdict::pass(), Verdict::causing)
}

/// The proxy has picked what answers.
fn picked(makes_task: bool, kept: Option<SessionKey>, response: &ResponseHead) -> Next {
    let place = response.answered_by.map(Place::Endpoint);
    let place = place.filter(|_| response.source == Source::Pod && response.status < 500);
    match (place, kept) {
        (Some(place), Some(key)) => {
            let media = if response.succeeded() { response.media } else { Media::Other };
            let keep = Verdict::next(Act::Keep { key, place });
            (Some(Step::Noting { key, place, media }), keep)
        }
        (Some(place), None) => peeking(makes_task, place, response, Verdict::pass()),
        (None, _) => (None, Verdict::pass()),
    }
}

/// Looks whether the response is a task, if it may be one.
fn peeking(makes_task: bool, place: Place, response: &ResponseHead, verdict: Verdict) -> Next {
    if !makes_task || !response.succeeded() || !response.has_body {
        return (None, verdict);
    }
    match response.media {
        Media::Other => (None, Verdict { decision: Some(Decision::TaskUnread), ..verdict }),
        media => (Some(Step::Peeking { place, peek: Box::new(TaskPeek::into(media)) }), verdict),
    }
}

#[cfg(test)]
mod tests;
