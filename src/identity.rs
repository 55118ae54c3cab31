//! Who a request is from: a few claims, which the proxy or a filter before this one has checked.

use sha2::{Digest, Sha256};

use crate::http::HeaderMap;
use crate::session::{Scope, Subject};

/// What a proxy writes in the place of a peer that is not known.
const ABSENT: &[u8] = b"-";

/// Where the subject of a request comes from: the first of the entries all of whose claims are there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BindTo {
    /// The entries, each of claims that count together.
    pub entries: Vec<Vec<Claim>>,
}

/// One thing that is known of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claim {
    /// A property of the proxy's, by the segments of its path (Envoy, "Attributes").
    Property(Vec<String>),
    /// A request header that only the proxy can have set. If it is there twice, it counts as not there.
    Header(String),
}

impl BindTo {
    /// Whether there is anything to bind sessions to.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Who a request is from. Subjects of other scopes, entries or claims are others.
    pub fn subject(
        &self,
        scope: &Scope,
        headers: &impl HeaderMap,
        property: impl Fn(&[String]) -> Option<Vec<u8>>,
    ) -> Option<Subject> {
        self.entries.iter().find_map(|claims| {
            let mut hash = Sha256::new_with_prefix(b"podpin subject 1");
            hash.update(scope.own_key().bytes());
            for claim in claims {
                let value = claim.value(headers, &property)?;
                claim.names().chain([value.as_slice()]).for_each(|part| absorb(&mut hash, part));
            }
            hash.finalize().first_chunk().copied().map(Subject::from_bytes)
        })
    }
}

impl Claim {
    /// What it is for a request; `None` if it is not there, or not for sure.
    pub(crate) fn value(
        &self,
        headers: &impl HeaderMap,
        property: impl Fn(&[String]) -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let value = match self {
            Self::Property(path) => property(path)?,
            Self::Header(name) => {
                let mut values = headers.fields().filter(|(other, _)| *other == name.as_bytes());
                let (_, value) = values.next()?;
                values.next().is_none().then(|| value.to_vec())?
            }
        };
        (!value.is_empty() && value != ABSENT).then_some(value)
    }

    /// What tells it from other claims.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        let (kind, names): (&[u8], _) = match self {
            Self::Property(path) => (b"property", path.as_slice()),
            Self::Header(name) => (b"header", std::slice::from_ref(name)),
        };
        [kind].into_iter().chain(names.iter().map(String::as_bytes))
    }
}

/// Adds a part to a hash so that no other parts give the same.
pub(crate) fn absorb(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    type Known<'a> = &'a [(&'a [&'a str], &'a [u8])];

    fn property(path: &[&str]) -> Claim {
        Claim::Property(path.iter().map(|part| (*part).to_owned()).collect())
    }

    fn subject(
        entries: &[&[Claim]],
        headers: &[(&str, &[u8])],
        known: Known<'_>,
    ) -> Option<Subject> {
        let bind_to = BindTo { entries: entries.iter().map(|claims| claims.to_vec()).collect() };
        let scope = Scope::new("default/myserver");
        bind_to.subject(&scope, &headers.to_vec(), |path| {
            let (_, value) = known.iter().find(|(known, _)| path == *known)?;
            Some(value.to_vec())
        })
    }

    #[test]
    fn the_first_entry_counts_whose_claims_are_all_there() {
        let (iss, sub, user) =
            (property(&["jwt", "iss"]), property(&["jwt", "sub"]), Claim::Header("x-user".into()));
        let both: &[&[Claim]] = &[&[iss.clone(), sub.clone()], std::slice::from_ref(&user)];
        let by_token: Known<'_> = &[(&["jwt", "iss"], b"a"), (&["jwt", "sub"], b"b")];
        let by_half: Known<'_> = &[(&["jwt", "sub"], b"b")];
        let header: &[(&str, &[u8])] = &[("x-user", b"b")];
        assert_eq!(subject(both, &[], &[]), None);
        assert_eq!(subject(both, &[], by_half), None);
        assert_eq!(subject(both, header, by_token), subject(&[&[iss, sub]], &[], by_token));
        assert_eq!(subject(both, header, by_half), subject(&[&[user]], header, &[]));
    }

    #[test]
    fn what_is_not_known_for_sure_is_not_there() {
        let both = [property(&["peer"]), Claim::Header("x-user".into())];
        for (about, headers, known) in [
            ("an empty header", &[("x-user", &b""[..])][..], &[][..]),
            ("a header twice", &[("x-user", b"a"), ("x-user", b"a")], &[]),
            ("no peer", &[], &[(&["peer"][..], &b"-"[..])]),
            ("an empty property", &[], &[(&["peer"], b"")]),
        ] {
            assert_eq!(subject(&[&both[..1], &both[1..]], headers, known), None, "{about}");
        }
    }

    #[test]
    fn subjects_differ_by_claim_and_value() {
        let header = |name: &str| Claim::Header(name.to_owned());
        let all = [
            subject(&[&[header("x-a")]], &[("x-a", b"1")], &[]),
            subject(&[&[header("x-a")]], &[("x-a", b"2")], &[]),
            subject(&[&[header("x-b")]], &[("x-b", b"1")], &[]),
            subject(&[&[property(&["x-a"])]], &[], &[(&["x-a"], b"1")]),
            subject(&[&[property(&["x", "a"])]], &[], &[(&["x", "a"], b"1")]),
            subject(&[&[header("x-a"), header("x-b")]], &[("x-a", b"1"), ("x-b", b"2")], &[]),
            subject(&[&[header("x-a"), header("x-b")]], &[("x-a", b"12"), ("x-b", b"")], &[]),
            subject(&[&[header("x-a"), header("x-b")]], &[("x-a", b"2"), ("x-b", b"1")], &[]),
        ];
        let is_single = |one| all.iter().filter(|other| *other == one).count() == 1;
        assert!(all.iter().all(is_single));
        assert_eq!(all.iter().filter(|subject| subject.is_none()).count(), 1, "an empty one");
        assert_eq!(all[0], subject(&[&[header("x-a")]], &[("x-a", b"1"), ("x-b", b"9")], &[]));
    }
}
