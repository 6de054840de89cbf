//! Calls of functions.

use super::super::ast::{Call, Expr, ExprKind};
use super::super::limits::EXPERIMENTAL_FUNCTIONS;
use super::super::signature::{self, Function, Signature};
use super::{Failure, Parsed, Parser, mistake};

/// Arguments of a call at most; the text could hold more.
const ARGS_MAX: usize = 256;

impl Parser<'_> {
    /// The name is the next token, a parenthesis the one behind it.
    pub(super) fn call(&mut self, name: &str, start: usize) -> Parsed<Expr> {
        let Some(function) = signature::find(name) else {
            let later = signature::LATER.iter().find(|(later, _)| *later == name);
            return match later {
                Some((_, feature)) => Err(Failure::NotSupported(feature)),
                None => mistake(start, format!("unknown function with name {name:?}")),
            };
        };
        if function.is_experimental && !self.features.experimental_functions {
            return Err(Failure::NotSupported(EXPERIMENTAL_FUNCTIONS));
        }
        self.step();
        let args = if function.function == Function::Info {
            self.info_args()?
        } else {
            self.args("function call")?
        };
        check(function, &args).or_else(|message| mistake(start, message))?;
        let call = Call { function, args };
        self.node(start, function.returns, ExprKind::Call(Box::new(call)))
    }

    /// The second argument of `info` says which labels are wanted: there `{version=~".*"}` is no slip.
    fn info_args(&mut self) -> Parsed<Vec<Expr>> {
        self.expect("(", "function call")?;
        let mut args = vec![self.expr(0)?];
        if self.take(",") {
            self.allows_empty_matchers = true;
            let second = self.expr(0);
            self.allows_empty_matchers = false;
            args.push(second?);
        }
        self.expect(")", "function call")?;
        Ok(args)
    }

    /// `(a, b)`.
    pub(super) fn args(&mut self, context: &str) -> Parsed<Vec<Expr>> {
        self.expect("(", context)?;
        let mut args = Vec::new();
        if self.take(")") {
            return Ok(args);
        }
        loop {
            args.push(self.expr(0)?);
            if args.len() > ARGS_MAX {
                return mistake(
                    self.span().start,
                    format!("more than {ARGS_MAX} arguments in {context}"),
                );
            }
            if self.take(")") {
                return Ok(args);
            }
            if !self.take(",") {
                return self.unexpected(&format!(" in {context}, expected \",\" or \")\""));
            }
        }
    }
}

fn check(function: &Signature, args: &[Expr]) -> Result<(), String> {
    let n_max = function.args.len();
    let n_min = n_max - function.n_optional;
    let name = function.name;
    let n_args = args.len();
    if n_min == n_max && n_args != n_max {
        return Err(format!(
            "expected {n_max} argument(s) in call to {name:?}, got {n_args}"
        ));
    }
    if n_args < n_min {
        return Err(format!(
            "expected at least {n_min} argument(s) in call to {name:?}, got {n_args}"
        ));
    }
    if n_args > n_max && !function.is_variadic {
        return Err(format!(
            "expected at most {n_max} argument(s) in call to {name:?}, got {n_args}"
        ));
    }
    for (idx, arg) in args.iter().enumerate() {
        let wanted = function.args.get(idx).or(function.args.last());
        if let Some(wanted) = wanted
            && arg.ty != *wanted
        {
            return Err(format!(
                "expected type {} in call to function {name:?}, got {}",
                wanted.name(),
                arg.ty.name()
            ));
        }
    }
    Ok(())
}
