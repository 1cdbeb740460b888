//! The parser that pest derives from `mpv.pest`, and the written form of its terminal rules.

use pest_derive::Parser;

/// The derived parser.
#[derive(Parser)]
#[grammar = "mpv.pest"]
pub(super) struct Mpv;

/// The text of a keyword or punctuation rule; `None` for rules that carry meaning of their own.
pub(super) fn fixed_text(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::kw_mpv => "mpv",
        Rule::kw_const => "const",
        Rule::kw_assert => "assert",
        Rule::kw_numeric => "numeric",
        Rule::kw_fn => "fn",
        Rule::kw_plan => "plan",
        Rule::kw_block => "block",
        Rule::kw_model => "model",
        Rule::kw_forward => "forward",
        Rule::kw_let => "let",
        Rule::kw_for => "for",
        Rule::kw_in => "in",
        Rule::kw_return => "return",
        Rule::kw_assume => "assume",
        Rule::kw_range => "range",
        Rule::kw_param => "param",
        Rule::kw_input => "input",
        Rule::kw_weights => "weights",
        Rule::kw_tokenizer => "tokenizer",
        Rule::kw_preprocess => "preprocess",
        Rule::kw_any => "any",
        Rule::kw_local => "local",
        Rule::kw_output => "output",
        Rule::kw_reveal => "reveal",
        Rule::kw_labels => "labels",
        Rule::kw_secret => "secret",
        Rule::kw_public => "public",
        Rule::kw_client => "client",
        Rule::kw_server => "server",
        Rule::kw_tensor => "Tensor",
        Rule::kw_int => "int",
        Rule::kw_real => "real",
        Rule::kw_bool => "bool",
        Rule::kw_u8 => "u8",
        Rule::kw_i32 => "i32",
        Rule::kw_bit => "bit",
        Rule::kw_f32 => "f32",
        Rule::kw_at => "at",
        Rule::kw_search => "search",
        Rule::kw_following => "following",
        Rule::kw_per_head => "per_head",
        Rule::kw_per_layer => "per_layer",
        Rule::kw_per_row => "per_row",
        Rule::semi | Rule::repeat_semi => ";",
        Rule::comma => ",",
        Rule::colon => ":",
        Rule::equals => "=",
        Rule::arrow => "->",
        Rule::dot => ".",
        Rule::dotdot => "..",
        Rule::less => "<",
        Rule::greater => ">",
        Rule::lparen => "(",
        Rule::rparen => ")",
        Rule::lbracket => "[",
        Rule::rbracket => "]",
        Rule::lbrace => "{",
        Rule::rbrace => "}",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use pest::Parser;

    use super::*;
    use crate::lex::RESERVED;

    #[test]
    fn the_grammar_and_the_scanner_reserve_the_same_words() {
        for word in RESERVED {
            assert!(Mpv::parse(Rule::name, word).is_err(), "{word} can be a name");
            let longer = format!("{word}_");
            assert!(Mpv::parse(Rule::name, &longer).is_ok(), "{longer} cannot be a name");
        }
        let grammar = include_str!("../../mpv.pest");
        let list =
            grammar.split_once("reserved = _{").and_then(|(_, rest)| rest.split_once('}')).map_or("", |(list, _)| list);
        assert_eq!(list.matches('"').count(), 2 * RESERVED.len());
    }
}
