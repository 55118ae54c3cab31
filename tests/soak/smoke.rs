//! The soak for some seconds: it comes to its end, and finds nothing wrong.

use std::process::Command;

#[test]
fn some_seconds_of_trouble_cost_nothing_that_they_do_not_explain() {
    let mut soak = Command::new(env!("CARGO_BIN_EXE_soak"));
    let output = soak.arg("0.2").env("SEED", "5").env_remove("RECORD").output().expect("it runs");
    let (out, err) = (&output.stdout, &output.stderr);
    let [out, err] = [out, err].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{out}\n{err}");
    assert!(
        out.contains(" 0\nare not; 0 calls hung, and 0 were answered by a wrong pod."),
        "{out}"
    );
}
