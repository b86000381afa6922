//! Numbers as people say them.

/// A stretch of time: `0.4 s`, `12 s`, `3 min 20 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if seconds < 119.5 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} min {:02.0} s", (seconds / 60.0).floor(), (seconds % 60.0).floor())
    }
}

/// The same, of milliseconds.
pub(crate) fn milliseconds(ms: u64) -> String {
    seconds(std::time::Duration::from_millis(ms).as_secs_f64())
}

/// A count and its noun: `1 check`, `2 checks`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// A part in whole per cent: never 100 where something is missing, never 0 where something is there.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    match part.saturating_mul(100).checked_div(whole).unwrap_or_default() {
        _ if part >= whole && whole > 0 => "100 %".to_owned(),
        _ if part == 0 => "0 %".to_owned(),
        percent => format!("{} %", percent.clamp(1, 99)),
    }
}

/// The first few of many, and how many more there are: `a, b and 3 more`.
pub(crate) fn first_few<'a>(names: impl IntoIterator<Item = &'a str>, few: usize) -> String {
    let mut names = names.into_iter();
    let shown: Vec<&str> = names.by_ref().take(few).collect();
    match names.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_read_as_people_say_them() {
        assert_eq!([0.04, 9.9, 12.4, 119.0, 200.0].map(seconds), ["0.0 s", "9.9 s", "12 s", "119 s", "3 min 20 s"]);
    }

    #[test]
    fn a_part_is_never_rounded_to_all_or_nothing() {
        assert_eq!(
            [(999, 1000), (1, 1000), (0, 4), (4, 4)].map(|(a, b)| percent(a, b)),
            ["99 %", "1 %", "0 %", "100 %"]
        );
    }

    #[test]
    fn a_long_list_says_how_much_longer_it_is() {
        assert_eq!(first_few(["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(first_few(["a", "b"], 2), "a, b");
    }
}
