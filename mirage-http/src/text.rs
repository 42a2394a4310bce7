//! Bytes and words of HTTP's grammar, read and written by hand: `core::fmt` would be the larger part of the bundle.

use alloc::vec::Vec;

/// Whether a name or a method may contain the byte (RFC 9110, section 5.6.2).
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// Whether a field's value may contain the byte (RFC 9110, section 5.5).
pub fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

pub fn is_value(text: &[u8]) -> bool {
    text.iter().all(|&byte| is_value_byte(byte))
}

/// Without the spaces and tabs at both ends.
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The items of a list (RFC 9110, section 5.6.1), empty ones left out.
pub fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(trim).filter(|item| !item.is_empty())
}

/// The number that these digits are, or the largest there is. None if anything is not a digit.
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |value: u64, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

pub fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

pub fn push_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    for place in digits.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
        at -= 1;
        if value == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(at));
}

pub fn push_hex(out: &mut Vec<u8>, value: u64) {
    let digits = (64 - value.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(hex_of((value >> (4 * place)) as u8));
    }
}

/// The lower four bits as a digit.
pub fn hex_of(bits: u8) -> u8 {
    let bits = bits & 15;
    if bits < 10 { b'0' + bits } else { b'a' + bits - 10 }
}

/// Puts the bytes that `%` stands for in their place; None if a `%` stands for nothing. With `plus`, a `+` is a space, as in
/// forms (URL Standard, application/x-www-form-urlencoded).
pub fn percent_decode(text: &[u8], plus: bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Some(out),
            [b'%', high, low, rest @ ..] => {
                out.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                rest
            }
            [b'%', ..] => return None,
            [b'+', rest @ ..] if plus => {
                out.push(b' ');
                rest
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
}

/// `text`, with `%` in the place of what an address cannot contain.
pub fn percent_encode(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte) {
            out.push(byte);
        } else {
            out.extend([b'%', hex_of(byte >> 4), hex_of(byte)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_library_would() {
        for value in [0, 1, 9, 10, 15, 16, 255, 1_000_000, u64::from(u32::MAX), u64::MAX] {
            let (mut ten, mut sixteen) = (Vec::new(), Vec::new());
            push_decimal(&mut ten, value);
            push_hex(&mut sixteen, value);
            assert_eq!(ten, alloc::format!("{value}").into_bytes());
            assert_eq!(sixteen, alloc::format!("{value:x}").into_bytes());
            assert_eq!(decimal(&ten), Some(value));
        }
        assert_eq!(decimal(b"99999999999999999999999"), Some(u64::MAX));
        assert_eq!([decimal(b""), decimal(b"+1"), decimal(b"1 "), decimal(b"0x1")], [None; 4]);
    }

    #[test]
    fn percent_signs_stand_for_bytes() {
        assert_eq!(percent_decode(b"a%20b+c", false), Some(b"a b+c".to_vec()));
        assert_eq!(percent_decode(b"a%20b+c", true), Some(b"a b c".to_vec()));
        assert_eq!(
            [percent_decode(b"%", false), percent_decode(b"%f", false), percent_decode(b"%fg", false)],
            [None, None, None]
        );
        let mut out = Vec::new();
        percent_encode(&mut out, "a b/é%".as_bytes());
        assert_eq!(out, b"a%20b/%c3%a9%25");
    }
}
