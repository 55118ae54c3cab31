//! Claims about sessions that are not so, and what the truth says of each.

use super::*;
use crate::complaint::complaint;
use crate::input::Input;

/// What is true where pins are kept in shared data and sessions belong to subjects.
fn truth() -> Truth {
    Truth::new(&Setup::read(&mut Input(b"001")))
}

/// The same after `ann` has learned of a session on the first pod.
fn after_one_was_opened() -> Truth {
    let mut truth = truth();
    truth.may_be_at(Name::Id(0), "myserver-0".to_owned());
    truth.told(Name::Id(0), "myserver-0".to_owned(), Some(0), 1000, 1000);
    truth
}

#[test]
fn what_is_not_so_is_found() {
    let name = Name::Id(0);
    let pod = || "myserver-1".to_owned();
    type Claim<'a> = &'a dyn Fn(&mut Truth);
    let claims: [(&str, Claim<'_>, &str); 9] = [
        ("a use", &|it| it.used(&name, "myserver-0", Some(0), 2000), ""),
        ("another opens it", &|it| it.told(name.clone(), pod(), None, 2000, 2000), "two pods"),
        ("elsewhere", &|it| it.used(&name, "myserver-1", Some(0), 2000), "was never opened at"),
        (
            "where it was once",
            &|it| {
                it.may_be_at(name.clone(), pod());
                it.used(&name, "myserver-1", Some(0), 2000);
            },
            "two pods for one live session",
        ),
        ("by another", &|it| it.used(&name, "myserver-0", Some(1), 2000), "a stranger uses"),
        ("by nobody", &|it| it.used(&name, "myserver-0", None, 2000), "a stranger uses"),
        ("denied", &|it| it.denied(&name, 2000), "lives and is not known"),
        ("denied when it is over", &|it| it.denied(&name, 61_000), ""),
        (
            "denied after its end",
            &|it| {
                it.ended(&name);
                it.denied(&name, 2000);
            },
            "",
        ),
    ];
    for (about, claim, wanted) in claims {
        let mut truth = after_one_was_opened();
        let told = complaint(|| claim(&mut truth));
        let is_it = if wanted.is_empty() { told.is_empty() } else { told.contains(wanted) };
        assert!(is_it, "{about}: {told:?} where {wanted:?} is to be told");
    }
}
