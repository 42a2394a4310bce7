//! Dates as HTTP writes them (RFC 9110, section 5.6.7).

use core::time::Duration;

use crate::text::decimal;

const DAY: u64 = 86_400;
const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The date, as in `Sun, 06 Nov 1994 08:49:37 GMT`. Years beyond 9999 are written as 9999.
pub fn http_date(since_1970: Duration) -> [u8; 29] {
    let seconds = since_1970.as_secs();
    let (days, rest) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let mut put = |at: usize, part: &[u8]| {
        for (to, from) in text.iter_mut().skip(at).zip(part) {
            *to = *from;
        }
    };
    let two = |value: u64| [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8];
    put(0, WEEKDAYS.get((days % 7) as usize).map_or(&b""[..], |day| &day[..]));
    put(5, &two(day));
    put(8, MONTHS.get(month as usize - 1).map_or(&b""[..], |month| &month[..]));
    put(12, &two(year.min(9_999) / 100));
    put(14, &two(year.min(9_999)));
    put(17, &two(rest / 3_600));
    put(20, &two(rest / 60 % 60));
    put(23, &two(rest % 60));
    text
}

/// Year, month and day of a day since 1970, counted in years that begin in March, so that leap days come last.
fn civil(days: u64) -> (u64, u64, u64) {
    // 719,468 days from the 1st of March of the year 0.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * era + year + u64::from(month <= 2), month, day)
}

/// Seconds since 1970 of a date in any of the three forms that a recipient must understand; None if it is none, or before
/// 1970. `now` says which century two digits are of.
pub fn parse_http_date(text: &[u8], now: Duration) -> Option<u64> {
    let text = text.trim_ascii();
    // Words of `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, and `Sun Nov  6 08:49:37 1994`.
    let mut words = text.split(|byte| matches!(byte, b' ' | b'-')).filter(|word| !word.is_empty());
    let (first, second, third, fourth, fifth) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let sixth = words.next();
    if words.next().is_some() {
        return None;
    }
    let (day, month, year, time) = if first.ends_with(b",") {
        if sixth != Some(b"GMT") {
            return None;
        }
        (second, third, fourth, fifth)
    } else {
        (third, second, fifth, fourth)
    };
    if sixth.is_some() != first.ends_with(b",") {
        return None;
    }
    let month = MONTHS.iter().position(|name| name[..] == *month)? as u64 + 1;
    let day = decimal(day).filter(|day| (1..=31).contains(day))?;
    let year = match (year.len(), decimal(year)?) {
        (4, year) => year,
        // More than 50 years from now means the past (RFC 9110, section 5.6.7).
        (2, year) => {
            let this = civil(now.as_secs() / DAY).0;
            let near = this - this % 100 + year;
            if near > this + 50 { near - 100 } else { near }
        }
        _ => return None,
    };
    let mut clock = time.split(|&byte| byte == b':').map(|part| decimal(part).filter(|_| part.len() == 2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some() || hour > 23 || minute > 59 || second > 60 || year < 1_970 {
        return None;
    }
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_era = years % 400;
    let days = years / 400 * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * months + 2) / 5 + day - 1;
    Some((days - 719_468) * DAY + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const NOW: Duration = Duration::from_secs(1_767_225_600);

    #[test]
    fn the_date_of_the_standard_in_its_three_forms() {
        let seconds = 784_111_777;
        assert_eq!(&http_date(Duration::from_secs(seconds)), b"Sun, 06 Nov 1994 08:49:37 GMT");
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_http_date(text.as_bytes(), NOW), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "x",
            "0",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nuv 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun Nov 6 08:49:37 1994 GMT",
        ] {
            assert_eq!(parse_http_date(text.as_bytes(), NOW), None, "{text}");
        }
    }

    #[test]
    fn every_day_comes_back() {
        let mut seen = Vec::new();
        for day in 0..80_000 {
            let seconds = day * DAY + day % DAY;
            let text = http_date(Duration::from_secs(seconds));
            assert_eq!(parse_http_date(&text, NOW), Some(seconds));
            seen.push(text);
        }
        assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(&http_date(Duration::from_secs(951_782_400)), b"Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(&http_date(Duration::from_secs(4_107_542_400)), b"Mon, 01 Mar 2100 00:00:00 GMT");
    }
}
