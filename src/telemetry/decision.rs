//! What is decided about an exchange, in the words of counters, logs and access logs.

/// A row of the behaviour table.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Decision {
    /// Passed: not one of the paths.
    Elsewhere,
    /// Passed: a protocol version without sessions.
    Sessionless,
    /// Passed: names no session and cannot open one.
    NoSession,
    /// Sent to a pod that was picked.
    Placed,
    /// Sent to the pod of its session, or of its task.
    Steered,
    /// Answered 400: its session id breaks the rules.
    BadSessionId,
    /// Answered 404: nothing is known of its session.
    Unknown,
    /// Answered 404: its session had expired.
    Expired,
    /// Answered 503: the store could not be asked, or did not take the pin.
    StoreFailed,
    /// Answered 503: the proxy refused the steering.
    SteeringRefused,
    /// The response opened a session, which is bound.
    Bound,
    /// Answered 503: the pod gave out an id that is in use on another pod.
    IdTaken,
    /// Answered 503: the session was opened at an address outside of the workload, or at one that
    /// is not known.
    Outside,
    /// The response opened no session.
    NotBound,
    /// The response names a session by an id that breaks the rules, so it cannot be used.
    BadIdOfPod,
    /// The response was an error after all; the session is not bound.
    Undone,
    /// The pod ended the session as asked.
    Ended,
    /// The pod did not end the session, or the proxy answered in its place.
    EndRefused,
    /// Answered 404: the pod no longer knows the session.
    Lost,
    /// Answered 404 or 503, as configured: the proxy cannot reach the pod of the session.
    Unreachable,
    /// Another endpoint answered than the one where the session lives. Passed, but an error that may
    /// come of that is answered 404.
    Strayed,
    /// Answered 404: its session belongs to another subject.
    Stranger,
    /// Answered 403: it would open a session for nobody.
    NoSubject,
    /// Answered 400: a protocol version without sessions, where clients are to fall back to one that has them.
    EraRefused,
    /// Sent to the pod of its key, without a session.
    Keyed,
    /// A rule concerns it, but nothing tells its pod: sent to one that was picked, or passed.
    Untracked,
    /// The response has shown which pod a key or a task has, which is kept.
    Learned,
    /// The response may be a task, or is one, which could not be read or kept.
    TaskUnread,
    /// Passed: it is about a task, but does not name it.
    TaskUnnamed,
    /// Answered 307: the pod that it was sent to cannot be reached, and its client is to send it again.
    SentAgain,
}

impl Decision {
    /// All of them, in order.
    pub const ALL: [Self; 30] = [
        Self::Elsewhere,
        Self::Sessionless,
        Self::NoSession,
        Self::Placed,
        Self::Steered,
        Self::BadSessionId,
        Self::Unknown,
        Self::Expired,
        Self::StoreFailed,
        Self::SteeringRefused,
        Self::Bound,
        Self::IdTaken,
        Self::Outside,
        Self::NotBound,
        Self::BadIdOfPod,
        Self::Undone,
        Self::Ended,
        Self::EndRefused,
        Self::Lost,
        Self::Unreachable,
        Self::Strayed,
        Self::Stranger,
        Self::NoSubject,
        Self::EraRefused,
        Self::Keyed,
        Self::Untracked,
        Self::Learned,
        Self::TaskUnread,
        Self::TaskUnnamed,
        Self::SentAgain,
    ];

    /// What the proxy logs as the details of a local reply that it caused (Envoy, "Response Code
    /// Details").
    pub fn details(self) -> String {
        format!("podpin_{}", self.name())
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::Sessionless => "sessionless",
            Self::NoSession => "no_session",
            Self::Placed => "placed",
            Self::Steered => "steered",
            Self::BadSessionId => "bad_session_id",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::StoreFailed => "store_failed",
            Self::SteeringRefused => "steering_refused",
            Self::Bound => "bound",
            Self::IdTaken => "id_taken",
            Self::Outside => "outside",
            Self::NotBound => "not_bound",
            Self::BadIdOfPod => "bad_id_of_pod",
            Self::Undone => "undone",
            Self::Ended => "ended",
            Self::EndRefused => "end_refused",
            Self::Lost => "lost",
            Self::Unreachable => "unreachable",
            Self::Strayed => "strayed",
            Self::Stranger => "stranger",
            Self::NoSubject => "no_subject",
            Self::EraRefused => "era_refused",
            Self::Keyed => "keyed",
            Self::Untracked => "untracked",
            Self::Learned => "learned",
            Self::TaskUnread => "task_unread",
            Self::TaskUnnamed => "task_unnamed",
            Self::SentAgain => "sent_again",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_decisions_are_listed_at_their_place_by_words_of_their_own() {
        for (place, decision) in Decision::ALL.into_iter().enumerate() {
            assert_eq!(decision as usize, place, "{}", decision.name());
        }
        let names: std::collections::BTreeSet<_> = Decision::ALL.map(Decision::name).into();
        assert_eq!(names.len(), Decision::ALL.len());
    }
}
