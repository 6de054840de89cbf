//! How deep brackets may lie within each other: counted before anything recurses.

use super::super::lex::{Mistake, Token, TokenKind};
use super::NESTING_MAX;

/// Refuses more brackets within each other than [`NESTING_MAX`].
pub(super) fn bound(tokens: &[Token]) -> Result<(), Mistake> {
    let mut nesting = 0_usize;
    for token in tokens {
        match token.kind {
            TokenKind::Mark("(" | "[" | "{") => nesting += 1,
            TokenKind::Mark(")" | "]" | "}") => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        if nesting > NESTING_MAX {
            return Err(Mistake::new(token.span.start, too_deep()));
        }
    }
    Ok(())
}

pub(super) fn too_deep() -> String {
    format!("the expression is nested more than {NESTING_MAX} deep")
}
