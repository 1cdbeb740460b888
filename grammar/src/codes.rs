//! The register of diagnostic codes, for every phase that reads `.mpv`.
//!
//! A code keeps its meaning for ever: a retired one is not reused. `E01` syntax, `E02` plans,
//! `E03` names, `E04` visibility, `E05` types and shapes, `E06` constants and asserts,
//! `E07` weights, `E08` number formats and planning, `E09` text, `W00` warnings. New entries go to the end of their group.

/// What a diagnostic code means, for `mpcc explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// `E0104`
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    /// What went wrong in general, an example, and what to do; several lines.
    pub text: &'static str,
}

const fn code(code: &'static str, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text }
}

/// All codes, sorted.
pub fn codes() -> &'static [Explanation] {
    CODES
}

/// Looks a code up; `None` if there is no such code. Case does not matter.
pub fn explain(code: &str) -> Option<&'static Explanation> {
    CODES.iter().find(|entry| entry.code.eq_ignore_ascii_case(code))
}

#[rustfmt::skip]
static CODES: &[Explanation] = &[
    // E01: syntax
    code("E0101", "something else was expected here", "\
The text does not follow the grammar at this place. The message names what could stand here.
Only the first such place of each statement is reported; the rest of the file is read on."),
    code("E0102", "the file does not begin with its edition", "\
Every file says which edition of the language it is written in, before anything but `//` and `//!`
comments:

    //! What this network is.
    mpv 1;"),
    code("E0103", "this edition of the language is unknown", "\
This compiler reads edition 1 (`mpv 1;`). A file of a later edition needs a later compiler."),
    code("E0104", "a semicolon is missing", "\
Constants, plans and all statements but blocks end with `;`. The label stands where it belongs."),
    code("E0105", "a bracket is not closed", "\
A `(`, `[` or `{` has no partner. Where the next top-level item starts at the left margin inside an
open brace, that place is shown too: the brace is most likely missing above it."),
    code("E0106", "a reserved word cannot be a name", "\
Words with a meaning of their own (`input`, `model`, `block`, `for`, …) and a few that are kept for
later editions (`if`, `match`, `with`, …) cannot name anything. Rename it, for example `input_`."),
    code("E0107", "this is not a number", "\
Numbers are decimal: `12`, `0.5`, `1e-5`, `2.5e3`. There are no `0x…`, no `1_000`, no `.5` and no `1.`."),
    code("E0108", "this number is too large", "\
Whole numbers must fit 64 bits with sign, real numbers the range of an IEEE double."),
    code("E0109", "unknown visibility or party", "\
A value is `secret client` (known to the data owner), `secret server` (known to the model owner) or
`public`. Where a party is named (`local`, `reveal`) it is `client` or `server`. What is computed
from both sides is shared between them; that has no word because nobody can write such a value down."),
    code("E0110", "a string is not closed", "\
A string ends with `\"` on the line it began. Strings name tensors or carry a message; they have no escapes."),
    code("E0111", "a character that is not part of the language", "\
Outside comments and strings the language is ASCII. Typographic quotes, long dashes and no-break
spaces often come from a word processor or a web page. Strings hold no backslash and no tab."),
    code("E0112", "unknown type", "\
Types are `Tensor<dims>` (real entries), `Tensor<u8 | i32 | bit | f32, dims>`, and for parameters that
are fixed when compiling also `int`, `real`, `bool`, `fn` and `plan`."),
    code("E0113", "a closing bracket has no partner", "\
A `)`, `]` or `}` closes something that is not open, or something opened with another kind of bracket."),
    code("E0114", "block comments do not exist", "\
Comments run from `//` to the end of the line; `///` documents the item or statement below, `//!` the file."),
    code("E0115", "documentation that documents nothing", "\
`///` stands above an item, a statement or `forward`; `//!` stands above the edition line. Anywhere
else use a plain `//` comment."),
    code("E0116", "import is not part of this edition", "\
Edition 1 has one file per model. Copy the blocks that are needed into the file."),
    code("E0117", "a block has no forward", "\
A block declares its weights and then says what it computes:

    block Dense() {
      param w: Tensor<10, 20> = \"weight\";
      forward(x: Tensor<20>) -> Tensor<10> { return linear(x, w); }
    }

`forward` is the last thing in a block, and there is one."),
    code("E0118", "there is no branching on values", "\
Both parties must do the same work whatever the data, so the language has no `if` and no `while`.
Choose between functions with a `plan`, or compute both and select: `m * a + (1 - m) * b` with a
0/1 mask `m`."),
    code("E0119", "an expression is nested too deeply", "\
Expressions may be 256 operations deep and brackets 128. Give parts of it a name with `let`."),
    code("E0120", "a repeated list takes one plain entry", "\
`[x; 4]` repeats `x` four times. To give parts of a range different entries, write the ranges out:
`[0..2: a, 2..4: b]`."),
    code("E0121", "a name or a string is too long", "\
A name has at most 128 bytes, and a string 4096 with its quotes."),
    // E02: plans
    code("E0201", "a plan has another number of extents", "\
`per_layer<layers>` has one extent, `per_head<layers, heads>` and `per_row<layers, rows>` have two."),
    code("E0202", "an entry of a plan is not a function of one tensor", "\
Each entry of a plan names a function that `choose` can call with one tensor: a `fn` whose first parameter
is a tensor and whose others have defaults, or a built-in function of every entry, such as `relu` or `gelu`.
`mpcc explain` lists those and the functions of the standard library."),
    code("E0203", "the replacement of a plan does not fit", "\
A plan given from outside the file (`--plan NAME=…`) names another plan of the file, or is a nested list of
function names with exactly the extents of the plan it replaces."),
    code("E0204", "a plan needs a list here", "\
Each axis of a plan is a list: `[a, b]`, `[a; n]` or `[0..2: a, 2..4: b]`. A plan per head or per row is a list
of lists; one function for a whole layer is `[name; heads]`."),
    code("E0205", "`choose` needs one layer of a plan", "\
A plan holds the choices of all layers. Select one before applying it: `choose(attn[i], s)`, or hand
`attn[i]` to a block parameter of type `plan`."),
    code("E0206", "a plan does not fit the tensor it is applied to", "\
`per_head` chooses along the first of three axes (`[heads, rows, columns]`), `per_row` along the axis before
the last. That extent must equal the plan's, and the chosen functions must return shapes that fit together."),
    code("E0207", "a plan leaves an index without a function", "\
Entries of a plan cover every layer, and every head or row in it, exactly once. Ranges end before their
second number: `0..2` covers 0 and 1."),
    code("E0208", "a plan gives an index twice", "\
Entries of a plan cover every index exactly once; here two of them claim the same. Ranges end before their
second number: `0..2` and `2..4` do not overlap."),
    code("E0209", "a plan names an index that does not exist", "\
An entry reaches past the extent of the plan, or its range is empty. Indices start at 0."),
    code("E0210", "a plan is still to be searched", "\
Entries `search[f, g]` say between which functions a search chooses. `mpcc search MODEL.mpv` trains the network with all of
them and writes plans; with one of these, `--plan NAME=FILE.json`, the model can be priced, compiled and run."),
    code("E0211", "`search` cannot stand here, or has too few candidates", "\
`search[f, g]` is an entry of a plan and names two or more different functions, the one that costs most first. Such an
entry is applied by `choose`; it cannot be called."),
    code("E0212", "a plan does not fit the plan that it follows", "\
A plan can follow another, entry by entry:

    plan ACT: per_row<7, 65> = [[search[gelu, identity]; 65]; 7];
    plan POST: per_row<7, 65> = [gelu: identity, identity: relu] following ACT;

Both have the same kind and extents, the followed one is defined above, and the list says once for each of its functions what
stands in its place. Entries that are searched share their coefficients."),

    // E03: names
    code("E0301", "a name is not defined", "\
Names come from `const`, `fn`, `plan`, `block`, parameters, shape variables, `let`, `param`, `input` and the
built-in functions. A function or block sees its own names and the top level, never its caller's."),
    code("E0302", "a name is defined twice", "\
A name has one meaning in its scope, and built-in functions keep theirs. To give a `let` a new value, assign
to it without `let`."),
    code("E0303", "a name cannot be given a new value", "\
Only a `let` of the same function or model can be assigned to. Constants, parameters, weights, inputs and
loop variables keep their values."),
    code("E0304", "a statement cannot stand here", "\
`input`, `weights`, `local` and `output` belong to the model; `param` to the model or the head of a block;
`return` to functions and `forward`."),
    code("E0305", "`return` is missing or misplaced", "\
A function or `forward` gives its result with one `return`, its last statement. There are no early returns,
because nothing branches."),
    code("E0306", "a file holds exactly one model", "\
The `model` is what a file is about: the compiler starts there."),
    code("E0307", "an argument is missing, or there are too many", "\
Parameters without a default must be given, by position or by name. A parameter of the model needs a default."),
    code("E0308", "a named argument does not match", "\
The name before `:` in a call must be a parameter, and each parameter is given once."),
    code("E0309", "a block and its place do not go together", "\
A block has weights, so an instance says where they are: `let enc = Encoder(attn: a) at \"blocks.{i}\";`.
Then `enc(x)` runs its `forward`."),
    code("E0310", "this cannot be called", "\
Functions and block instances are called. A tensor next to a bracket is probably a missing operator."),
    code("E0311", "a function or block calls itself", "\
Calls are inlined when compiling, so recursion would never end. Repetition is a `for` loop with fixed bounds."),
    code("E0312", "a value given from outside does not fit", "\
`--set NAME=VALUE` replaces a constant or a parameter of the model with a value of the same kind."),

    // E04: visibility
    code("E0401", "outputs are revealed to the client only", "\
In the trust model of this edition the model owner learns nothing about an inference, so `reveal server` is refused."),
    code("E0402", "an output would hand weights to the client", "\
The value depends on weights alone, so revealing it reveals a function of the model that the client's input
does not hide. Outputs depend on both."),
    code("E0403", "`argmax` of a shared value is computed with", "\
The position of the largest of shared entries comes out of a tournament of secret comparisons as a label for the client:
`output label: reveal client Tensor<i32, 1> = argmax(logits);`. Nothing else can be computed from it. The client then learns
the label alone; revealing the logits costs less and tells it all of them."),
    code("E0404", "an input must be `secret client`", "\
Inputs come from the data owner and stay secret: `input pixels: secret client Tensor<u8, 3, 32, 32>;`.
What the model owner supplies is a `param`."),
    code("E0405", "weights must be `secret server`", "\
Weights come from the model owner and stay secret. Constants that everybody may know are written in the file."),
    code("E0406", "a value is less public than declared", "\
A visibility written on a parameter or result is an upper bound: `secret client` accepts what the client could
compute alone. Without one, anything is accepted."),
    code("E0407", "a model has no output", "\
Without an `output … reveal client` nobody learns a result."),
    code("E0408", "a model has too many outputs", "\
What each output gives away about the weights is for people to read, so there are few: 64 at most. Values of one shape can be
joined into one output."),
    code("E0412", "a `local` part reads what its party may not see", "\
`local client { … }` runs in the clear at the data owner, so it may read inputs, constants and what is computed
from them. Reading a weight or a shared value there would show it. Outside `local` the same computation runs on shares:
`lookup(word, ids)` there reads a secret table. A table that may be known to the client can be an input of the client instead."),
    code("E0413", "a look-up at positions that the client does not know", "\
`lookup(table, ids)` multiplies the table by rows of zeros with a one at each position, which the client writes in the clear.
So the positions are an input of the client, or computed from inputs in `local client`. The server does not learn them."),

    // E05: types and shapes
    code("E0501", "a value is of another kind than needed", "\
A number, tensor, function, plan or list stands where another of these is needed."),
    code("E0502", "shapes do not go together", "\
`+ - * /` line shapes up from the last axis; each pair of extents must be equal, or one of them 1.
`Tensor<65, 128> + Tensor<128>` is fine, `Tensor<65, 128> + Tensor<65>` is not."),
    code("E0503", "a matrix product with shapes that do not fit", "\
`a @ b` multiplies the last two axes: `[.., n, k] @ [.., k, m]`; axes before them are equal. A vector on the left is one
row, one on the right one column, and the result lacks that axis."),
    code("E0504", "`linear` with shapes that do not fit", "\
`linear(x, w, b)` is `x Wᵀ + b` with `x [.., in]`, `w [out, in]` and `b [out]`, the layout of trained models."),
    code("E0505", "an argument has another shape than declared", "\
The extents of a tensor parameter are a contract. A function maps over leading axes it does not declare; a block does not."),
    code("E0506", "a result has another shape than declared", "\
The value after `return` must have the declared shape once the shape variables are known."),
    code("E0507", "a shape variable cannot be told from the arguments", "\
`fn f<N>(…)` reads `N` off an argument: it must stand alone as an extent of some tensor parameter."),
    code("E0508", "a position is out of range", "\
Positions count from 0 up to one below the extent; there are no negative positions. There may be fewer of them than axes."),
    code("E0509", "a range does not fit", "\
`x[a..b]` takes entries `a` up to one below `b`: `0 <= a < b <= extent`."),
    code("E0510", "this axis cannot be used", "\
`sum`, `mean` and `max` run along the last axis (`axis: -1`); `concat` takes any axis its tensors have."),
    code("E0511", "heads do not fit", "\
`split_heads(x, h)` turns `[n, h * d]` into `[h, n, d]`, `merge_heads` turns it back."),
    code("E0512", "`patch_embed` with shapes that do not fit", "\
`patch_embed(image, w, b, stride: p)` takes an image `[c, h, w]` and kernels `[out, c, p, p]`. Patches do not
overlap, and cover the image exactly."),
    code("E0513", "`concat` with shapes that do not fit", "\
Joined tensors agree in every axis but the one they are joined along."),
    code("E0514", "`layernorm` with shapes that do not fit", "\
`layernorm(x, gain, bias, eps: e)` normalises the last axis; gain and bias have its extent."),
    code("E0515", "`normalize` with lists that do not fit", "\
`normalize(x, mean: […], std: […])` takes one number per entry of the first axis (the channels)."),
    code("E0516", "a new value has another type", "\
A loop body runs the same statements again, so the name keeps its shape and element. Visibility may change."),
    code("E0517", "another element is needed", "\
Elements are real numbers unless written: `Tensor<u8, …>`, `Tensor<i32, …>`, `Tensor<bit, …>`. Arithmetic gives real numbers."),
    code("E0518", "this is not a shape", "\
Extents are positive whole numbers, and a tensor has at most 8 axes and 268435456 (2^28) entries."),
    code("E0519", "labels do not match the output", "\
`labels [\"a\", \"b\"]` names each entry of the output's last axis, or of the rows that an `argmax` chose from. Of `labels any […]`
each holds where its entry is above 0, so any number of them may."),
    code("E0520", "an output has another type than declared", "\
The type after `reveal client` is what the client will receive; the value must have it."),
    code("E0521", "`transpose` needs two axes", "\
`transpose(x)` swaps the last two axes; a vector has one."),
    code("E0522", "a function cannot be mapped over these axes", "\
A function called with more leading axes than it declares runs over all of them at once. Some operations have no
such form: declare the function for the full shape."),
    code("E0523", "`lookup` with a table that is not a matrix", "\
`lookup(table, ids)` takes a table `[rows, width]` and whole numbers `[n]`, and gives `[n, width]`."),
    code("E0524", "the model is too large", "\
There are limits on operations, on the entries of all values together, and on what an owner computes in the clear. They
are many times what the largest networks need that can be run this way: look for a loop, an extent or a one-hot row that is
larger than meant."),

    // E06: constants and asserts
    code("E0601", "an assertion failed", "\
An `assert` is a fact about constants that the rest of the file relies on."),
    code("E0602", "a constant is too large", "\
Whole numbers have 64 bits with sign; real numbers must be finite."),
    code("E0603", "a division by zero", "\
The divisor is a compile-time 0."),
    code("E0604", "a value must be known when compiling", "\
Shapes, loop bounds, choices and asserts cannot depend on tensors: those are known only when the model runs, and
then only as shares. For the same reason there are no comparisons of tensors."),
    code("E0605", "a constant is used before its definition", "\
Constants are evaluated from top to bottom. Move the definition up."),
    code("E0606", "an operator has no meaning for these values", "\
Arithmetic takes numbers or tensors, comparisons take numbers, `==` and `!=` also truth values."),
    code("E0607", "a repetition is too long or runs backwards", "\
Loops are unrolled and lists written out when compiling, so their lengths are limited. A loop `a..b` has `a <= b`."),
    code("E0608", "`numeric` has no such field", "\
The fields are `ring` and the fraction bits `frac`, `weight_frac`, `rsqrt_frac`, `recip_frac`, `table_frac`, `output_frac`.
Truncation is part of every opening and cannot be chosen."),
    code("E0609", "a fixed-point setting is out of range", "\
Fraction bits lie in 1 to 40: less is no fraction, more leaves no room for the number in a 64-bit word."),
    code("E0610", "this ring is not supported", "\
Values are held in 64-bit words. The compiler chooses the width of each opening from ranges and fraction bits."),
    code("E0611", "an assumed range is empty", "\
`assume range(x) in [low, high];` needs `low < high`, and two assumptions on one value must overlap."),
    code("E0612", "an assumed range is about a value nobody reads", "\
`assume range(…)` speaks of a named value, so that the same value is used afterwards."),
    code("E0613", "a number must be positive", "\
`eps`, standard deviations, cuts and the number under `sqrt`, `rsqrt` and `log2` are positive."),

    // E07: weights
    code("E0701", "a tensor of the weights file is bound twice", "\
Each tensor is bound to one `param`, or to several that take disjoint parts with `.slice`. In a loop the path of an
instance needs the loop variable: `at \"blocks.{i}\"`."),
    code("E0702", "unknown load-time reshape", "\
Weights are reshaped when they are loaded, at no cost: `.squeeze(axis)`, `.transpose(a, b)`,
`.slice(axis, from, to, extent)`, where `extent` is the axis's extent in the file, and `.reshape(extents…)` with the extents that
the file has."),
    code("E0703", "a load-time reshape does not lead to the declared shape", "\
The declared shape is the one after the reshapes. `.squeeze(axis)` drops an axis of extent 1, `.transpose(a, b)` swaps
two, `.slice(axis, from, to, extent)` takes `from..to` of an axis that has `extent` entries in the file, and
`.reshape(extents…)` reads the entries of a tensor with these extents in the file, in their order, as one of the declared shape."),
    code("E0704", "a weight path does not work", "\
Paths are parts joined by dots; `{name}` is replaced by the whole number of that name, usually a loop variable."),
    code("E0705", "`weights` has an unknown field or value", "\
`weights secret server { format: safetensors, ignore: [\"a.*\"] }`: the format is `safetensors`; `ignore` lists tensors of
the file that the model does not use, `*` standing for any run of characters."),
    code("E0706", "the `weights` declaration is missing or given twice", "\
A model with `param`s says once whose they are: `weights secret server { format: safetensors }`."),

    // E08: number formats and planning
    code("E0801", "nothing is known about the size of a value", "\
Ring widths, tables and series are chosen for the values that can occur. A range is proved from the weights,
observed on example inputs (`mpcc simulate MODEL --weights W --calibrate DIR` writes it beside the model), or
declared: `assume range(x) in [0, 16];`."),
    code("E0802", "the value ranges belong to another model", "\
Ranges are those of one graph: after a change of the model, of a plan or of a constant they are observed again."),
    code("E0803", "a value does not fit the widest ring", "\
A value, the fraction bits of what it is made of, and what its consumers need must fit 128 bits together, and 62
where it is extended. Fewer fraction bits (`numeric { frac, weight_frac }`) or a tighter range (`assume range(x) in [low, high];`) help."),
    code("E0804", "the argument of a row function varies too much", "\
Reciprocals and inverse square roots are tables over the octaves that the argument can span. Declare the range
that matters with `assume`; below it the function saturates."),
    code("E0805", "an operation has no protocol on secret values", "\
`mpcc explain` lists the operations that can be computed on shares. What depends on the input alone can be
computed in `local client` instead."),

    // E09: text
    code("E0901", "the `tokenizer` declaration is given twice", "\
Text is cut into tokens in one way: `tokenizer \"tokenizer.json\" { ids: ids, mask: mask }`."),
    code("E0902", "`tokenizer` has an unknown field or value", "\
`tokenizer \"FILE\" { ids: NAME, segments: NAME, mask: NAME }`: the file stands relative to the model file, and the names are
inputs of the model. `ids` takes the tokens, `segments` 0 for the first sentence and 1 for the second, `mask` 1 for tokens
and 0 for padding. `segments` and `mask` may be left out."),
    code("E0903", "the tokenizer fills an input that the model does not have", "\
The names after `ids:`, `segments:` and `mask:` are inputs of the model."),
    code("E0904", "the tokenizer fills an input of another type", "\
`ids` and `segments` are `secret client Tensor<i32, n>`, `mask` is `secret client Tensor<bit, n>`, with the same `n`: the number
of tokens that the model reads. Longer text is cut, shorter text is padded."),
    code("E0905", "the tokenizer fills an input twice", "\
Token ids, segments and the mask are different inputs."),
    code("E0906", "the tokenizer's file cannot be used", "\
The file is a `tokenizer.json` of Hugging Face, the `vocab.txt` of a BERT, or a `vocab.json` with its `merges.txt` beside it. It is
read when the model is compiled and travels inside the artefact, so whoever runs that needs no file."),

    code("E0907", "`preprocess` does not work", "\
`preprocess INPUT { resize: [HEIGHT, WIDTH], filter: bicubic, crop: centre }` says how pictures of other sizes become the input, a
`Tensor<u8, channels, height, width>`: they are resized to that size, or with `shortest: N` so that the shorter side has N
pixels, and `crop: centre` takes the middle. Filters are `nearest`, `box`, `bilinear`, `hamming`, `bicubic` and `lanczos`. An input
is preprocessed in one way."),

    // W00: warnings
    code("W0001", "a value is never read", "\
It is computed for nothing. Remove it, or start its name with `_`."),
    code("W0002", "a weight is never read", "\
The tensor must be in the weights file although the model does not use it. Tensors that a file happens to hold are
listed under `ignore`."),
    code("W0003", "a `let` hides another name", "\
Inside braces `let` makes a new value that is forgotten at the closing brace. To change the outer one in a loop, assign without `let`."),
    code("W0004", "an input is never read", "\
The client supplies a tensor that has no influence."),
    code("W0005", "an output reveals nothing", "\
The client could compute the value without the server."),
    code("W0006", "weights are coarser than activations", "\
Rounding of weights grows with the width of the model; four more bits than the activations is a good measure."),
    code("W0007", "a ReLU-softmax jumps within a unit of its scores", "\
`relu(s) / (sum(relu(s)) + eps)` gives a score r that is alone in its row the weight r / (r + eps), which rises from 0 with the
slope 1 / eps. Scores are held to one unit u = 2^-frac, with `numeric { frac }` bits, so a single unit moves that weight by
u / (u + eps): with `eps` far below u from 0 to nearly 1. No fixed-point format can follow such a jump, and where all scores of a row are
about to be negative rounding decides what the row attends to. The warning is given where one unit moves a weight by more than
1/17, that is for `eps` below 16 u; 2^-5 at 12 bits is 128 u, and moves it by 1/129. Another `eps` is another function, so
train the weights on with it for a few epochs. Published weights work as they are wherever no row sums to almost nothing:
`mpcc simulate` shows what becomes of given inputs."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_sorted_and_explained() {
        for pair in CODES.windows(2) {
            assert!(
                pair[0].code.as_bytes()[0] != pair[1].code.as_bytes()[0] || pair[0].code < pair[1].code,
                "{} must come before {}",
                pair[1].code,
                pair[0].code
            );
        }
        for entry in CODES {
            assert!(matches!(entry.code.as_bytes(), [b'E' | b'W', digits @ ..]
                if digits.len() == 4 && digits.iter().all(u8::is_ascii_digit)));
            assert!(!entry.title.is_empty() && !entry.title.ends_with('.'));
            assert!(
                entry.text.ends_with('.') || entry.text.ends_with(';') || entry.text.ends_with('`'),
                "{}",
                entry.code
            );
            assert_eq!(explain(entry.code), Some(entry));
        }
        assert_eq!(explain("e0101").map(|entry| entry.code), Some("E0101"));
        assert_eq!(explain("E9999"), None);
    }

    /// Codes written in this crate's sources are registered, and the registered ones are written.
    #[test]
    fn syntax_codes_are_registered_and_used() {
        let sources = [
            include_str!("lex.rs"),
            include_str!("parse.rs"),
            include_str!("parse/build.rs"),
            include_str!("parse/build/expr.rs"),
            include_str!("parse/expected.rs"),
            include_str!("parse/recover.rs"),
        ]
        .concat();
        let mut used: Vec<&str> = sources.match_indices("\"E01").map(|(at, _)| &sources[at + 1..at + 6]).collect();
        used.sort_unstable();
        used.dedup();
        let registered: Vec<&str> =
            CODES.iter().map(|entry| entry.code).filter(|code| code.starts_with("E01")).collect();
        assert_eq!(used, registered);
    }
}
