//! Names of spans as labels: what identifies a single request in them is taken out, so that an operation is one series.

/// Bytes of a name that become a label.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of a name that are read: ids that are replaced make it shorter.
const READ_BYTES_MAX: usize = 16 * NAME_BYTES_MAX;
/// Shortest text of hex digits, among them a digit, that is taken for an id.
const HEX_MIN: usize = 16;

/// Writes the name with ids in it replaced by `{id}`: UUIDs, long hex numbers, and numbers that stand alone between `/`, spaces and the like.
pub fn write_normal(name: &str, normal: &mut String) {
    normal.clear();
    let mut rest = name;
    // what is cut off in the end need not be looked at
    if name.len() > READ_BYTES_MAX {
        rest = cut(name, READ_BYTES_MAX);
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_' || c == '.'))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let starts_path = normal.ends_with('/') || normal.ends_with(':') || normal.ends_with('=');
        normal.push_str(if is_id(word, starts_path) {
            "{id}"
        } else {
            word
        });
        let separator = after.chars().next().map_or(0, char::len_utf8);
        let (separator, after) = after.split_at(separator);
        normal.push_str(separator);
        rest = after;
    }
    let n_bytes = cut(normal, NAME_BYTES_MAX).len();
    normal.truncate(n_bytes);
}

/// The beginning of a text, at most so many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn is_id(word: &str, starts_path: bool) -> bool {
    let n_digits = word.bytes().filter(u8::is_ascii_digit).count();
    if n_digits == 0 {
        return false;
    }
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_number = n_digits == word.len() && starts_path;
    let is_long_hex = word.len() >= HEX_MIN && is_hex(word);
    let is_uuid = word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && {
        word.split('-').all(is_hex)
    };
    is_number || is_long_hex || is_uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(name: &str) -> String {
        let mut normal = String::from("what was there");
        write_normal(name, &mut normal);
        normal
    }

    #[test]
    fn ids_go_and_everything_else_stays() {
        for (name, expected) in [
            ("GET /users/123/orders", "GET /users/{id}/orders"),
            ("GET /v1/users", "GET /v1/users"),
            ("/a/0123456789abcdef", "/a/{id}"),
            ("job 7f9c24e5-1b1c-4d4b-9d3a-2f0d9f2d7a11", "job {id}"),
            ("span-12", "span-12"),
            ("retry 3", "retry 3"),
            ("key:42", "key:{id}"),
            ("HTTP 200", "HTTP 200"),
            ("/é/5", "/é/{id}"),
            ("deadbeefdeadbeef", "deadbeefdeadbeef"),
            ("", ""),
        ] {
            assert_eq!(normal(name), expected, "{name}");
        }
        assert!(normal(&"é".repeat(400)).len() <= NAME_BYTES_MAX);
    }
}
