//! What is noted about a request, for access logs, routes and other filters.

use crate::session::Scope;

/// A note on one request. A proxy keeps it as filter state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Note {
    /// The last decision, by the name that [`super::Decision`] gives it.
    Decision,
    /// The pod that the request was steered to. Absent if the proxy chose.
    Pod,
    /// The name of the header that was set to steer the request: another instance of this filter,
    /// later in the chain, must not take it for a client's.
    Header,
}

impl Note {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Decision, Self::Pod, Self::Header];

    /// Its name, to which a proxy may add a prefix of its own. Each scope has decisions and pods of
    /// its own; bytes of the scope other than letters, digits and `-_./` are written `_`.
    pub fn name(self, scope: &Scope) -> String {
        match self {
            Self::Decision => format!("podpin.{}.decision", scope.label()),
            Self::Pod => format!("podpin.{}.pod", scope.label()),
            Self::Header => "podpin.header".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_of_each_scope_have_names_of_their_own() {
        for (scope, wanted) in [
            ("default/myserver", "podpin.default/myserver.pod"),
            ("team:a)%", "podpin.team_a__.pod"),
        ] {
            assert_eq!(Note::Pod.name(&Scope::new(scope)), wanted);
        }
        for (place, note) in Note::ALL.into_iter().enumerate() {
            assert_eq!(note as usize, place);
        }
    }
}
