//! Numbers as few bytes as they need: seven bits a byte, the low ones first; the last byte has no high bit.

/// Appends a number.
pub fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

/// Takes a number off the front; none where there is no whole one.
pub fn take_number(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for at in 0..10 {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_read_as_it_was_written(number: u64, after: u8) {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            bytes.push(after);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_number(&mut rest), Some(number));
            prop_assert_eq!(rest, [after]);
            let (mut whole, mut half) = (bytes.len() - 1, &bytes[..bytes.len() - 2]);
            whole -= half.len();
            prop_assert_eq!((whole, take_number(&mut half)), (1, None));
        }
    }
}
