//! Text to tokens, each with the column at which it begins. Shared by everything that embeds field expressions.

use super::parse::ParseError;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A word with its dots and colons: `span.http.method`, `span:name`, `any`, `true`.
    Word(String),
    Text(String),
    Int(i64),
    Float(f64),
    /// `1h2m`, in ns.
    Duration(i64),
    /// An operator or bracket.
    Sign(&'static str),
    End,
}

/// Longest first, so that `=~` is not read as `=` and `~`.
const SIGNS: [&str; 24] = [
    "&&", "||", "!=", "!~", "=~", "<=", ">=", "(", ")", "{", "}", "[", "]", ",", "=", "<", ">",
    "!", "+", "-", "*", "/", "%", "^",
];

/// Units of a duration and their ns.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3_600e9),
    ("d", 86_400e9),
];

/// Reads tokens off the front of a text, one ahead.
#[derive(Debug)]
pub struct Lexer<'a> {
    text: &'a str,
    /// Byte at which the next token begins.
    at: usize,
    /// Byte behind it.
    next_at: usize,
    token: Token,
}

impl<'a> Lexer<'a> {
    /// # Errors
    /// When the text is too long, or its first token is none.
    pub fn new(text: &'a str) -> Result<Self, ParseError> {
        if text.len() > super::TEXT_BYTES_MAX {
            return Err(ParseError::new(
                text,
                0,
                format!(
                    "{} bytes of text, over the limit of {}",
                    text.len(),
                    super::TEXT_BYTES_MAX
                ),
            ));
        }
        let mut lexer = Self {
            text,
            at: 0,
            next_at: 0,
            token: Token::End,
        };
        lexer.advance()?;
        Ok(lexer)
    }

    /// The next token, not yet taken.
    #[must_use]
    pub fn peek(&self) -> &Token {
        &self.token
    }

    /// Takes the next token.
    ///
    /// # Errors
    /// When what follows it is no token.
    pub fn take(&mut self) -> Result<Token, ParseError> {
        let token = std::mem::replace(&mut self.token, Token::End);
        self.advance()?;
        Ok(token)
    }

    /// Takes `sign` if it comes next.
    ///
    /// # Errors
    /// As [`Lexer::take`].
    pub fn take_sign(&mut self, sign: &str) -> Result<bool, ParseError> {
        let found = matches!(self.token, Token::Sign(s) if s == sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Takes `sign`, which must come next.
    ///
    /// # Errors
    /// When something else comes.
    pub fn expect_sign(&mut self, sign: &str) -> Result<(), ParseError> {
        if self.take_sign(sign)? {
            Ok(())
        } else {
            Err(self.error(format!("expected {sign:?}, found {}", self.token)))
        }
    }

    /// A mistake at the next token.
    #[must_use]
    pub fn error(&self, told: String) -> ParseError {
        ParseError::new(self.text, self.at, told)
    }

    fn advance(&mut self) -> Result<(), ParseError> {
        let rest = self.text.get(self.next_at..).unwrap_or("");
        let trimmed = rest.trim_start();
        self.at = self.next_at + (rest.len() - trimmed.len());
        let (token, n_bytes) = self.read(trimmed)?;
        self.token = token;
        self.next_at = self.at + n_bytes;
        Ok(())
    }

    fn read(&self, text: &str) -> Result<(Token, usize), ParseError> {
        let Some(first) = text.chars().next() else {
            return Ok((Token::End, 0));
        };
        let fails = |told: &str| ParseError::new(self.text, self.at, told.to_owned());
        match first {
            '"' => quoted(text)
                .ok_or_else(|| fails("text without a closing quote, or with an unknown escape"))
                .map(|(value, n)| (Token::Text(value), n)),
            '`' => {
                let body = text.get(1..).unwrap_or("");
                let end = body
                    .find('`')
                    .ok_or_else(|| fails("raw text without a closing quote"))?;
                Ok((
                    Token::Text(body.get(..end).unwrap_or("").to_owned()),
                    end + 2,
                ))
            }
            '0'..='9' => {
                number(text).ok_or_else(|| fails("no number, nor a duration such as 1h2m or 100ms"))
            }
            c if c.is_alphabetic() || c == '_' || c == '.' => {
                word(text).ok_or_else(|| fails("a name with a quote that does not close"))
            }
            _ => SIGNS
                .iter()
                .find(|sign| text.starts_with(**sign))
                .map(|sign| (Token::Sign(sign), sign.len()))
                .ok_or_else(|| fails("an unexpected character")),
        }
    }
}

/// Text in double quotes with Go's common escapes.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                c @ ('\\' | '"' | '\'') => value.push(c),
                // what is no escape of text is one of a regular expression: `\d`
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
    None
}

/// A name; a part of it may stand in double quotes after a dot.
fn word(text: &str) -> Option<(Token, usize)> {
    let mut name = String::new();
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if c == '"' && name.ends_with('.') {
            let (part, n_bytes) = quoted(text.get(at..)?)?;
            name.push_str(&part);
            at += n_bytes;
        } else if c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | '@' | '$' | '#') {
            name.push(c);
            at += c.len_utf8();
        } else {
            break;
        }
    }
    Some((Token::Word(name), at))
}

fn number(text: &str) -> Option<(Token, usize)> {
    let (digits, n_bytes) = digits(text)?;
    let rest = text.get(n_bytes..)?;
    if rest.starts_with(|c: char| c.is_alphabetic()) {
        return duration(text);
    }
    let token = if digits.contains('.') {
        Token::Float(digits.parse().ok()?)
    } else {
        Token::Int(digits.parse().ok()?)
    };
    Some((token, n_bytes))
}

/// The digits, with at most one dot, that `text` begins with.
fn digits(text: &str) -> Option<(&str, usize)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let digits = text.get(..end)?;
    (digits.bytes().filter(|b| *b == b'.').count() <= 1 && !digits.ends_with('.'))
        .then_some((digits, end))
}

/// One or more numbers with units.
fn duration(text: &str) -> Option<(Token, usize)> {
    let (mut ns, mut at) = (0.0, 0);
    while text.get(at..)?.starts_with(|c: char| c.is_ascii_digit()) {
        let (digits, n_bytes) = digits(text.get(at..)?)?;
        at += n_bytes;
        let rest = text.get(at..)?;
        let unit_end = rest
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(rest.len());
        let unit = rest.get(..unit_end)?;
        let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        ns += digits.parse::<f64>().ok()? * factor;
        at += unit_end;
    }
    (ns < i64::MAX as f64).then_some((Token::Duration(ns as i64), at))
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(word) => write!(f, "{word:?}"),
            Self::Text(text) => write!(f, "text {text:?}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(n) => write!(f, "{n}"),
            Self::Duration(ns) => write!(f, "a duration of {ns} ns"),
            Self::Sign(sign) => write!(f, "{sign:?}"),
            Self::End => write!(f, "the end"),
        }
    }
}
