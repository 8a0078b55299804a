//! A group as its author wrote it, for messages.

use std::ops::Range;

use regex_syntax::ast::Ast;
use regex_syntax::hir::Hir;

use crate::expression::without_groups;
use crate::template::CONVERTERS;

/// A group as its author wrote it; where that cannot be told, as the parser prints it.
pub(super) fn group_text(source: &str, hir: &Hir, index: u32) -> String {
    let bare = without_groups(hir);
    let means_it =
        |text: &&str| regex_syntax::parse(text).is_ok_and(|parsed| without_groups(&parsed) == bare);
    let written = regex_syntax::ast::parse::Parser::new()
        .parse(source)
        .ok()
        .and_then(|ast| group_span(&ast, index))
        .and_then(|span| source.get(span));
    let converters = CONVERTERS.iter().map(|&(_, text)| text);
    written
        .into_iter()
        .chain(converters)
        .find(means_it)
        .map_or_else(|| bare.to_string(), Into::into)
}

fn group_span(ast: &Ast, index: u32) -> Option<Range<usize>> {
    match ast {
        Ast::Group(group) if group.capture_index() == Some(index) => {
            let span = group.ast.span();
            Some(span.start.offset..span.end.offset)
        }
        Ast::Group(group) => group_span(&group.ast, index),
        Ast::Repetition(repetition) => group_span(&repetition.ast, index),
        Ast::Concat(concat) => concat.asts.iter().find_map(|ast| group_span(ast, index)),
        Ast::Alternation(alternation) => alternation
            .asts
            .iter()
            .find_map(|ast| group_span(ast, index)),
        _ => None,
    }
}
