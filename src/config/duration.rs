//! Durations as Podpin's configuration writes them.

use std::time::Duration;

/// Reads a whole number and a unit: `250ms`, `30s`, `5m`, `2h`.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(milliseconds)?))
}

/// Writes a duration in the largest unit of which it is a whole number.
pub(super) fn shown(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    match units
        .into_iter()
        .find(|(_, unit)| milliseconds != 0 && milliseconds.is_multiple_of(*unit))
    {
        Some((name, unit)) => format!("{}{name}", milliseconds / unit),
        None => format!("{milliseconds}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::mutated;
    use proptest::prelude::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        for (text, milliseconds) in [
            ("250ms", Some(250)),
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("2h", Some(7_200_000)),
            ("0s", Some(0)),
            ("2 hours", None),
            ("1.5h", None),
            ("-1s", None),
            ("+1s", None),
            ("s", None),
            ("30", None),
            ("", None),
            ("18446744073709551615h", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse(text), milliseconds.map(Duration::from_millis), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(milliseconds in 0..u64::from(u32::MAX), unit in 0..4usize) {
            let unit = [1, 1000, 60_000, 3_600_000][unit];
            let duration = Duration::from_millis(milliseconds * unit);
            prop_assert_eq!(parse(&shown(duration)), Some(duration));
        }

        #[test]
        fn what_is_almost_a_duration_is_read_or_is_none(
            text in mutated(["250ms", "30s", "18446744073709551615ms", "5124095576030430h"]),
        ) {
            let text = String::from_utf8_lossy(&text);
            if let Some(duration) = parse(&text) {
                prop_assert_eq!(parse(&shown(duration)), Some(duration));
            }
        }
    }
}
