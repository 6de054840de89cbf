//! Names of labels in paths. Names that are more than letters, digits and `_` may come escaped as `U__…`, as Prometheus' clients send them.

/// Longest name that is read, in bytes.
const NAME_BYTES_MAX: usize = 1_024;
const ESCAPED: &str = "U__";

/// The name that a path means; none if it is no name.
pub(super) fn read(text: &str) -> Option<String> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return None;
    }
    match text.strip_prefix(ESCAPED) {
        // What is not escaped as a whole is a name by itself.
        Some(escaped) => Some(unescaped(escaped).unwrap_or_else(|| text.to_owned())),
        None => Some(text.to_owned()),
    }
}

/// `_2e_` is the character of that code, `__` is `_`.
fn unescaped(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('_') {
        name.push_str(before);
        if let Some(after) = after.strip_prefix('_') {
            name.push('_');
            rest = after;
            continue;
        }
        let (code, after) = after.split_once('_')?;
        let is_code = (1..=6).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_hexdigit());
        let code = u32::from_str_radix(code, 16).ok().filter(|_| is_code)?;
        name.push(char::from_u32(code)?);
        rest = after;
    }
    name.push_str(rest);
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped() {
        for (text, name) in [
            ("job", Some("job")),
            ("__name__", Some("__name__")),
            ("service.name", Some("service.name")),
            ("U__service_2e_name", Some("service.name")),
            ("U__a__b", Some("a_b")),
            ("U__http_2e_status_3a_sum__x", Some("http.status:sum_x")),
            ("U___1F600_", Some("😀")),
            ("U__a_", Some("U__a_")),
            ("U__a_zz_", Some("U__a_zz_")),
            ("U__a_d800_", Some("U__a_d800_")),
            ("U__a_1234567_", Some("U__a_1234567_")),
            ("U__", Some("U__")),
            ("", None),
        ] {
            assert_eq!(read(text).as_deref(), name, "{text}");
        }
        assert_eq!(read(&"a".repeat(NAME_BYTES_MAX + 1)), None);
    }
}
