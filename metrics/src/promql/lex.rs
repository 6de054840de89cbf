//! Words of a query. In: text of at most [`TEXT_BYTES_MAX`]. Out: tokens with where they stand, or the first character that begins none.
//!
//! A duration (`5m`) is a number of seconds that remembers how it was written; keywords are identifiers, since most of them may also name a metric.

pub(in crate::promql) mod number;
mod quoted;

use super::ast::Span;

/// Longest text of a query.
pub(super) const TEXT_BYTES_MAX: usize = 32 << 10;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) span: Span,
    pub(super) kind: TokenKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// A name, perhaps with colons.
    Ident(String),
    Number(f64),
    /// Milliseconds.
    Duration(i64),
    Text(String),
    /// An operator or a bracket.
    Mark(&'static str),
    End,
}

/// What is wrong, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) at: usize,
    pub(super) message: String,
}

impl Mistake {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }
}

/// Longer ones first.
const MARKS: [&str; 25] = [
    "=~", "!~", "!=", "==", "<=", ">=", "(", ")", "{", "}", "[", "]", ",", ":", "=", "<", ">", "+",
    "-", "*", "/", "%", "^", "@", ".",
];

/// The tokens of a text; the last is [`TokenKind::End`].
pub(super) fn lex(text: &str) -> Result<Vec<Token>, Mistake> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut in_brackets = false; // where a colon is a word of its own
    loop {
        at = skip_blank(text, at);
        let rest = text.get(at..).unwrap_or("");
        let Some(first) = rest.chars().next() else {
            break;
        };
        let (len, kind) = one(rest, first, in_brackets).map_err(|mistake| Mistake {
            at: at + mistake.at,
            ..mistake
        })?;
        match kind {
            TokenKind::Mark("[") => in_brackets = true,
            TokenKind::Mark("]") => in_brackets = false,
            _ => {}
        }
        tokens.push(Token {
            span: Span::new(at, at + len),
            kind,
        });
        at += len;
    }
    tokens.push(Token {
        span: Span::new(text.len(), text.len()),
        kind: TokenKind::End,
    });
    Ok(tokens)
}

/// Spaces and comments.
fn skip_blank(text: &str, from: usize) -> usize {
    let mut rest = text.get(from..).unwrap_or("");
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        if !rest.starts_with('#') {
            return text.len() - rest.len();
        }
        rest = rest
            .find('\n')
            .and_then(|end| rest.get(end..))
            .unwrap_or("");
    }
}

/// The token that `rest` begins with, and its bytes.
fn one(rest: &str, first: char, in_brackets: bool) -> Result<(usize, TokenKind), Mistake> {
    let second_is_digit = rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    match first {
        '"' | '\'' | '`' => quoted::read(rest, first),
        '0'..='9' => number::read(rest),
        '.' if second_is_digit => number::read(rest),
        'a'..='z' | 'A'..='Z' | '_' | ':' if first != ':' || !in_brackets => {
            let len = rest
                .find(|c: char| {
                    !(c.is_ascii_alphanumeric() || c == '_' || (c == ':' && !in_brackets))
                })
                .unwrap_or(rest.len());
            let word = rest.get(..len).unwrap_or("");
            Ok((len, word_of(word)))
        }
        _ => match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            Some(mark) => Ok((mark.len(), TokenKind::Mark(mark))),
            None => Err(Mistake::new(0, format!("unexpected character: {first:?}"))),
        },
    }
}

fn word_of(word: &str) -> TokenKind {
    if word.eq_ignore_ascii_case("inf") {
        TokenKind::Number(f64::INFINITY)
    } else if word.eq_ignore_ascii_case("nan") {
        TokenKind::Number(f64::NAN)
    } else {
        TokenKind::Ident(word.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[TokenKind]) {
        let tokens = lex(text).map(|tokens| {
            let mut kinds: Vec<TokenKind> = tokens.into_iter().map(|token| token.kind).collect();
            assert_eq!(kinds.pop(), Some(TokenKind::End));
            kinds
        });
        assert_eq!(tokens, Ok(expected.to_vec()), "{text}");
    }

    fn ident(name: &str) -> TokenKind {
        TokenKind::Ident(name.to_owned())
    }

    fn text(text: &str) -> TokenKind {
        TokenKind::Text(text.to_owned())
    }

    #[test]
    fn every_word_is_told_apart() {
        use TokenKind::{Duration, Mark, Number};
        check("", &[]);
        check(" # only a comment", &[]);
        check("a#b\nc", &[ident("a"), ident("c")]);
        check("job:a:rate5m", &[ident("job:a:rate5m")]);
        check(
            "1 .5 1e3 0x1F 1E-2",
            &[
                Number(1.0),
                Number(0.5),
                Number(1000.0),
                Number(31.0),
                Number(0.01),
            ],
        );
        check("Inf", &[Number(f64::INFINITY)]);
        check(
            "5m 1h30m 500ms 1y2w3d",
            &[
                Duration(300_000),
                Duration(5_400_000),
                Duration(500),
                Duration(33_004_800_000),
            ],
        );
        check(
            "[30s:]",
            &[Mark("["), Duration(30_000), Mark(":"), Mark("]")],
        );
        check(
            "[30:10]",
            &[Mark("["), Number(30.0), Mark(":"), Number(10.0), Mark("]")],
        );
        check("a=~'b'", &[ident("a"), Mark("=~"), text("b")]);
        check(
            "1<=2!=3",
            &[
                Number(1.0),
                Mark("<="),
                Number(2.0),
                Mark("!="),
                Number(3.0),
            ],
        );
    }

    #[test]
    fn strings_are_unquoted_as_go_does() {
        check(
            r#""a\n\t\"\\" 'it\'s' `r\n`"#,
            &[text("a\n\t\"\\"), text("it's"), text("r\\n")],
        );
        check(r#""\x41\101\u00e4\U0001F600""#, &[text("AAä😀")]);
        check("\"ü\"", &[text("ü")]);
    }

    #[test]
    fn what_begins_no_word_is_told_with_its_place() {
        for (bad, at) in [
            ("a ~ b", 2),
            ("\"open", 0),
            ("'line\nbreak'", 0),
            (r#""\q""#, 1),
            (r#""\xff""#, 0),
            ("1mm", 0),
            ("5m1h", 0),
            ("0x", 0),
            ("1.2.3", 0),
            ("3foo", 0),
            ("ä", 0),
            ("99999999999999999999y", 0),
        ] {
            let mistake = lex(bad).map(|tokens| format!("{tokens:?}"));
            assert_eq!(mistake.map_err(|mistake| mistake.at), Err(at), "{bad}");
        }
    }
}
