//! What the file of a recording is called.

/// Room, start (UTC), process, and a number that tells lives of a room within one second apart: names of one room are
/// in the order of time, servers may share a directory, and a room's name holds nothing that a path would
/// understand.
pub(super) fn of(room: &str, unix_ms: u64, process: u32, number: u64) -> String {
    format!("room-{room}.{}.{process}-{number:04}.tickrec", stamp(unix_ms))
}

/// A moment as `20261121T093005Z`.
pub(crate) fn stamp(unix_ms: u64) -> String {
    let seconds = unix_ms / 1_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hours, minutes, seconds) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hours:02}{minutes:02}{seconds:02}Z")
}

/// Year, month and day so many days after 1 January 1970, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 1 March of the year 0, so that the day a leap year adds is the last of its year, and in eras of
    // 400 years, which all have the same length.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + later, month, day - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(of("lobby", 0, 4242, 1), "room-lobby.19700101T000000Z.4242-0001.tickrec");
        assert_eq!(stamp(951_782_399_999), "20000228T235959Z");
        assert_eq!(stamp(951_782_400_000), "20000229T000000Z");
        assert_eq!(stamp(951_868_800_000), "20000301T000000Z");
        assert_eq!(stamp(1_795_253_405_000), "20261121T093005Z");
        assert_eq!(stamp(4_107_542_399_000), "21000228T235959Z");
        assert_eq!(stamp(4_107_542_400_000), "21000301T000000Z", "no leap year");
    }

    #[test]
    fn every_day_of_two_centuries_follows_the_one_before() {
        let lengths = |year: u64| {
            let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..73_000 {
            assert_eq!(date(days), (year, month, day));
            day += 1;
            if day > lengths(year)[usize::try_from(month).unwrap() - 1] {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}
