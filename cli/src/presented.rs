//! Outputs as the model says they are read: any number of several labels, and answers in the words of the text they stand in.

use anyhow::Result;
use mpcc_compiler::artefact::Artefact;
use mpcc_import::inputs::{Example, Passage, Reader};
use mpcc_program::program::Output;

use crate::outputs::{Revealed, expected_of};

/// The longest answer, in tokens.
const LONGEST: usize = 30;
/// What is said where the first token, which stands for no place, has more than every answer.
pub const NOT_IN_THE_TEXT: &str = "not in the text";

/// What outputs of a model stand for, beside their own labels.
pub struct Presenter<'a> {
    artefact: &'a Artefact,
    /// Of a model that answers questions, and where among the outputs answers begin and end.
    answers: Option<(Reader<'a>, [usize; 2])>,
}

impl<'a> Presenter<'a> {
    /// # Errors
    /// If the tokenizer of a model that answers questions cannot be used.
    pub fn new(artefact: &'a Artefact) -> Result<Self> {
        let answers = match (ends(artefact), artefact.tokenizer.as_deref()) {
            (Some(ends), Some(tokenizer)) => Some((Reader::new(&artefact.graph, Some(tokenizer))?, ends)),
            _ => None,
        };
        Ok(Self { artefact, answers })
    }

    /// Outputs of an example with their labels. An answer is the label of where it begins.
    ///
    /// # Errors
    /// If the example's text cannot be tokenized.
    pub fn present(&self, mut outputs: Vec<Revealed>, example: &Example) -> Result<Vec<Revealed>> {
        for at in self.artefact.graph.several.iter().map(|at| *at as usize) {
            if let (Some(revealed), Some(output)) = (outputs.get_mut(at), self.artefact.program.outputs.get(at)) {
                revealed.any_of(output);
            }
        }
        if let Some((reader, [start, end])) = &self.answers
            && let Some(passage) = reader.passage(example)?
            && let [Some(starts), Some(ends)] = [outputs.get(*start), outputs.get(*end)]
        {
            let answer = answer(&starts.values, &ends.values, &passage);
            outputs[*start].label = answer;
        }
        Ok(outputs)
    }

    /// The label that an example should get, or the answer that a column of its file names.
    pub fn expected(&self, example: &Example) -> Option<String> {
        match &self.answers {
            Some(_) => example.label().map(str::to_owned),
            None => expected_of(example, &self.artefact.program.outputs),
        }
    }
}

/// Outputs `start` and `end` without labels, with an entry for each token that the model reads.
fn ends(artefact: &Artefact) -> Option<[usize; 2]> {
    let ids = artefact.graph.tokenizer.as_ref()?.ids;
    let length = &artefact.graph.inputs.get(ids as usize)?.ty.shape;
    let is = |output: &Output, name: &str| output.name == name && output.labels.is_empty() && output.shape == *length;
    let place = |name: &str| artefact.program.outputs.iter().position(|output| is(output, name));
    Some([place("start")?, place("end")?])
}

/// The words with the largest sum of both ends, inside the passage, of [`LONGEST`] tokens at most. Of several such the first.
fn answer(starts: &[f64], ends: &[f64], passage: &Passage) -> Option<String> {
    let inside = |at: usize| passage.places.get(at).copied().flatten();
    let mut best: Option<(f64, usize, usize)> = None;
    for (first, start) in starts.iter().enumerate() {
        let Some((from, _)) = inside(first) else { continue };
        for (last, end) in ends.iter().enumerate().skip(first).take(LONGEST) {
            let Some((_, to)) = inside(last) else { continue };
            if best.is_none_or(|(most, ..)| start + end > most) {
                best = Some((start + end, from, to));
            }
        }
    }
    let (most, from, to) = best?;
    if inside(0).is_none() && starts.first()? + ends.first()? > most {
        return Some(NOT_IN_THE_TEXT.to_owned());
    }
    // A token may be a part of a character.
    let text = &passage.text;
    let from = (0..=from.min(text.len())).rev().find(|at| text.is_char_boundary(*at))?;
    let to = (to..=text.len()).find(|at| text.is_char_boundary(*at))?;
    Some(text.get(from..to)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A question of two tokens, then « à b cd », with three tokens around and one of padding behind.
    fn passage() -> Passage {
        let places = [None, None, None, None, Some((0, 2)), Some((3, 4)), Some((5, 6)), Some((6, 7)), None];
        Passage { text: "à b cd".to_owned(), places: places.to_vec() }
    }

    fn ends_at(start: usize, end: usize) -> [Vec<f64>; 2] {
        [start, end].map(|at| (0..10).map(|i| if i == at { 2.0 } else { 0.0 }).collect())
    }

    #[test]
    fn an_answer_is_the_best_words_of_the_passage() {
        for (start, end, wanted) in
            [(4, 4, "à"), (4, 5, "à b"), (5, 7, "b cd"), (7, 7, "d"), (6, 7, "cd"), (4, 7, "à b cd")]
        {
            let [starts, ends] = ends_at(start, end);
            assert_eq!(answer(&starts, &ends, &passage()).as_deref(), Some(wanted));
        }
        // Ends in the wrong order, in the question or in padding are no answer; the first of equals is taken.
        for (start, end, wanted) in [(7, 4, "à"), (1, 5, "à b"), (5, 2, "b"), (9, 9, "à"), (2, 9, "à")] {
            let [starts, ends] = ends_at(start, end);
            assert_eq!(answer(&starts, &ends, &passage()).as_deref(), Some(wanted), "{start} {end}");
        }
        let [starts, ends] = ends_at(0, 0);
        assert_eq!(answer(&starts, &ends, &passage()).as_deref(), Some(NOT_IN_THE_TEXT));
        let nothing = Passage { text: String::new(), places: vec![None; 10] };
        assert_eq!(answer(&starts, &ends, &nothing), None);
    }

    #[test]
    fn answers_have_at_most_so_many_tokens() {
        let places = (0..40).map(|at| (at > 0).then(|| (at - 1, at))).collect();
        let passage = Passage { text: "x".repeat(39), places };
        let of = |last: usize| {
            let [starts, ends] =
                [1, last].map(|at| (0..40).map(|i| if i == at { 2.0 } else { 0.0 }).collect::<Vec<_>>());
            answer(&starts, &ends, &passage).map(|text| text.len())
        };
        assert_eq!((of(LONGEST), of(LONGEST + 1)), (Some(LONGEST), Some(1)));
    }
}
