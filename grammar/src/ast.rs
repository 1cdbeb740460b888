//! The syntax tree of an `.mpv` file.
//!
//! One node per written construct, each with the byte span it was read from.
//! Nothing here is resolved: names are strings, numbers are as written, shapes are expressions.

mod children;
mod shift;

/// Half-open byte range in the source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A value with the place it was written at.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub node: T,
    /// Where it stands.
    pub span: Span,
}

/// An identifier.
pub type Name = Spanned<String>;

/// A whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// `//!` lines at the top, without the marker.
    pub docs: Vec<String>,
    /// The number after `mpv`: the language edition.
    pub edition: Spanned<u64>,
    /// Everything after the edition line, in source order.
    pub items: Vec<Item>,
}

/// A top-level item with its `///` lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// `///` lines above, without the marker.
    pub docs: Vec<String>,
    /// What it is.
    pub kind: ItemKind,
    /// From the keyword to the closing brace or semicolon.
    pub span: Span,
}

/// The kinds of top-level items.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// `const NAME = expr;`
    Const {
        /// Its name.
        name: Name,
        /// Its value.
        value: Expr,
    },
    /// `assert expr, "message";`
    Assert(Assert),
    /// `numeric { field: expr, … }`
    Numeric(Vec<Field>),
    /// `fn name<N, M>(params) -> type { … }`
    Fn(FnDef),
    /// `plan NAME: kind<dims> = list;`
    Plan(PlanDef),
    /// `block Name(params) { param …; forward(…) -> … { … } }`
    Block(BlockDef),
    /// `model Name(params) { … }`
    Model(ModelDef),
}

/// `assert condition, "message";`
#[derive(Clone, Debug, PartialEq)]
pub struct Assert {
    /// What must hold.
    pub condition: Expr,
    /// What to say if it does not.
    pub message: Option<Spanned<String>>,
}

/// `name: value` in `numeric`, `weights`, `tokenizer` and `preprocess`.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Field name.
    pub name: Name,
    /// Field value.
    pub value: Expr,
}

/// A function of tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct FnDef {
    /// Its name.
    pub name: Name,
    /// Names of its shape variables.
    pub generics: Vec<Name>,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its result.
    pub result: TypeExpr,
    /// Its statements; the last executed one is a `return`.
    pub body: Vec<Stmt>,
}

/// A parameter of a function, block, `forward` or model.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: TypeExpr,
    /// Its default.
    pub default: Option<Expr>,
}

/// A written type.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeExpr {
    /// A written visibility, if any.
    pub visibility: Option<Spanned<VisibilityWord>>,
    /// The type proper.
    pub kind: TypeKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of types.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeKind {
    /// `Tensor<elem, dims…>`; the element defaults to a real number.
    Tensor {
        /// The element word, if written.
        element: Option<ElementWord>,
        /// Shape expressions.
        dims: Vec<Expr>,
    },
    /// `int`
    Int,
    /// `real`
    Real,
    /// `bool`
    Bool,
    /// `fn`
    Fn,
    /// `plan`
    Plan,
}

/// Element types as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementWord {
    /// Unsigned byte.
    U8,
    /// 32-bit integer.
    I32,
    /// 0 or 1.
    Bit,
    /// Real number.
    F32,
}

/// Visibilities as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisibilityWord {
    /// `secret client`
    SecretClient,
    /// `secret server`
    SecretServer,
    /// `public`
    Public,
}

/// The two parties as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyWord {
    /// The data owner.
    Client,
    /// The model owner.
    Server,
}

/// What a plan is indexed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanKind {
    /// `per_head<layers, heads>`
    PerHead,
    /// `per_layer<layers>`
    PerLayer,
    /// `per_row<layers, rows>`
    PerRow,
}

/// A table of functions.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanDef {
    /// Its name.
    pub name: Name,
    /// What it is indexed by.
    pub kind: Spanned<PlanKind>,
    /// Its extents.
    pub dims: Vec<Expr>,
    /// Its entries; or, in a plan that follows another, a list with an entry `f: g` for each function of that one.
    pub entries: Expr,
    /// The plan that it follows.
    pub follows: Option<Name>,
}

/// A reusable part of a model with weights of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockDef {
    /// Its name.
    pub name: Name,
    /// Compile-time parameters.
    pub params: Vec<Param>,
    /// `param` declarations and asserts.
    pub decls: Vec<Stmt>,
    /// `///` lines above `forward`, without the marker.
    pub forward_docs: Vec<String>,
    /// Parameters of `forward`.
    pub inputs: Vec<Param>,
    /// Result of `forward`.
    pub result: TypeExpr,
    /// Statements of `forward`.
    pub body: Vec<Stmt>,
    /// The `forward` signature, for messages.
    pub forward_span: Span,
}

/// The model itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelDef {
    /// Its name.
    pub name: Name,
    /// Compile-time parameters.
    pub params: Vec<Param>,
    /// Its statements in order.
    pub body: Vec<Stmt>,
}

/// A statement with its `///` lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// `///` lines above.
    pub docs: Vec<String>,
    /// What it is.
    pub kind: StmtKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of statements. Which may stand where is checked when lowering.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// `let name = expr;`
    Let {
        /// The new name.
        name: Name,
        /// Its value.
        value: Expr,
    },
    /// `name = expr;`
    Assign {
        /// An existing name.
        name: Name,
        /// Its new value.
        value: Expr,
    },
    /// `for name in from..to { … }`
    For {
        /// The loop variable.
        name: Name,
        /// First value.
        from: Expr,
        /// One past the last value.
        to: Expr,
        /// Statements.
        body: Vec<Stmt>,
    },
    /// `return expr;`
    Return(Expr),
    /// `assert …;`
    Assert(Assert),
    /// `assume range(expr) in [low, high];`
    Assume {
        /// The value.
        value: Expr,
        /// Lower bound.
        low: Expr,
        /// Upper bound.
        high: Expr,
    },
    /// `param name: type = "path".op(…)…;`
    Param {
        /// Its name.
        name: Name,
        /// Its type.
        ty: TypeExpr,
        /// Tensor name inside the weights file, relative to the block's path.
        path: Spanned<String>,
        /// Load-time reshapes.
        ops: Vec<LoadOp>,
    },
    /// `input name: type;`
    Input {
        /// Its name.
        name: Name,
        /// Its type.
        ty: TypeExpr,
    },
    /// `weights secret server { … }`
    Weights {
        /// Who owns them.
        visibility: Spanned<VisibilityWord>,
        /// `format`, `ignore`.
        fields: Vec<Field>,
    },
    /// `tokenizer "FILE" { … }`
    Tokenizer {
        /// Where it is, relative to the source file.
        file: Spanned<String>,
        /// `ids`, `segments`, `mask`.
        fields: Vec<Field>,
    },
    /// `preprocess INPUT { … }`
    Preprocess {
        /// The input that an image becomes.
        input: Name,
        /// `resize`, `shortest`, `filter`, `crop`.
        fields: Vec<Field>,
    },
    /// `local client { … }`
    Local {
        /// Who runs it.
        party: Spanned<PartyWord>,
        /// Statements.
        body: Vec<Stmt>,
    },
    /// `output name: reveal party type = expr labels [ … ];`, or `labels any [ … ]`
    Output {
        /// Its name.
        name: Name,
        /// Who learns it.
        party: Spanned<PartyWord>,
        /// Its type.
        ty: TypeExpr,
        /// Its value.
        value: Expr,
        /// Names of the entries along the last axis.
        labels: Option<Vec<Spanned<String>>>,
        /// Whether each label holds or not by itself, so that any number of them may.
        any: bool,
    },
}

/// `.squeeze(0)`, `.transpose(0, 1)`, `.slice(axis, from, to, extent)`, `.reshape(extents…)`.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadOp {
    /// Its name.
    pub name: Name,
    /// Its arguments.
    pub args: Vec<Expr>,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A whole number.
    Int(i64),
    /// A number with a point or an exponent, and its text.
    Real(f64, String),
    /// A string.
    Str(String),
    /// A name.
    Name(String),
    /// `-x`
    Neg(Box<Expr>),
    /// `a op b`
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `callee(args)`
    Call {
        /// What is called.
        callee: Box<Expr>,
        /// Arguments.
        args: Vec<Arg>,
    },
    /// `value[idx, …]`
    Index {
        /// What is indexed.
        value: Box<Expr>,
        /// One entry per axis.
        indices: Vec<Index>,
    },
    /// `value at "path"`
    At {
        /// A block instance.
        value: Box<Expr>,
        /// Where its weights are; `{i}` is replaced by a loop variable.
        path: Spanned<String>,
    },
    /// `[a; n]`
    Repeat {
        /// The entry.
        value: Box<Expr>,
        /// How often.
        count: Box<Expr>,
    },
    /// `[a, 0..2: b, 3: c]`
    List(Vec<ListElem>),
    /// `search[f, g]`
    Search(Vec<Expr>),
    /// `(x)`
    Paren(Box<Expr>),
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
    /// `@`
    MatMul,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<=`
    Le,
    /// `>=`
    Ge,
    /// `<`
    Lt,
    /// `>`
    Gt,
}

/// An argument, possibly named.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// `name:` in front.
    pub name: Option<Name>,
    /// Its value.
    pub value: Expr,
}

/// One axis of an index.
#[derive(Clone, Debug, PartialEq)]
pub enum Index {
    /// One position: the axis disappears.
    At(Expr),
    /// `a..b`
    Range(Expr, Expr),
    /// `..`
    All(Span),
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum ListElem {
    /// `expr`
    Plain(Expr),
    /// `index: expr`
    At(Expr, Expr),
    /// `from..to: expr`
    Range(Expr, Expr, Expr),
}
