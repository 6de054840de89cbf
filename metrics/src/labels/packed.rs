//! Labels as one text: each name and each value behind its length. In: pairs in order of names. Out: a text, and the pairs again.
//!
//! A length is written in ASCII, so that the whole is UTF-8: 6 bits a byte, the least first, the next higher bit says that more follow.

const MORE: u8 = 0x40;
const DIGIT: u8 = MORE - 1;

/// Appends pairs.
pub(crate) fn pack<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, out: &mut String) {
    for (name, value) in pairs {
        put(name, out);
        put(value, out);
    }
}

fn put(text: &str, out: &mut String) {
    let mut length = text.len();
    while length > usize::from(DIGIT) {
        let digit = (length & usize::from(DIGIT)) as u8;
        out.push(char::from(digit | MORE));
        length >>= 6;
    }
    out.push(char::from(length as u8));
    out.push_str(text);
}

/// Names and values that were packed.
#[derive(Debug, Clone)]
pub struct Pairs<'a>(pub(super) &'a str);

impl<'a> Pairs<'a> {
    fn text(&mut self) -> Option<&'a str> {
        let (mut length, mut shift) = (0usize, 0);
        let mut n_digits = 0;
        for byte in self.0.bytes() {
            n_digits += 1;
            length |= usize::from(byte & DIGIT) << shift;
            if byte & MORE == 0 {
                break;
            }
            shift = (shift + 6).min(60);
        }
        let (text, rest) = self.0.get(n_digits..)?.split_at_checked(length)?;
        self.0 = rest;
        (n_digits > 0).then_some(text)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.text()?, self.text()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pairs: &[(String, String)]) -> usize {
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let mut text = String::new();
        pack(pairs.iter().copied(), &mut text);
        assert_eq!(Pairs(&text).collect::<Vec<_>>(), pairs);
        text.len()
    }

    #[test]
    fn texts_of_any_length_come_back() {
        let of = |length: usize| ("é".to_owned(), "x".repeat(length));
        for length in [0, 1, 63, 64, 65, 4_095, 4_096, 300_000] {
            check(&[of(length), of(0), of(length)]);
        }
        assert_eq!(check(&[]), 0);
        assert_eq!(check(&[of(63)]), 1 + 2 + 1 + 63);
    }

    proptest! {
        #[test]
        fn any_texts_come_back(pairs in vec((any::<String>(), any::<String>()), 0..10)) {
            check(&pairs);
        }

        #[test]
        fn any_text_is_read_to_its_end(text in any::<String>()) {
            prop_assert!(Pairs(&text).count() <= text.len());
        }
    }
}
