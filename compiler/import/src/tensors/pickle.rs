//! The part of Python's pickle format that PyTorch writes for tensors in dictionaries, read without executing anything.
//!
//! A pickle is a program for a stack machine that may call any function. This machine knows no function: a global is
//! one of a closed list of names, each with its own effect here, and every other name or opcode is refused. Values
//! live in one arena and refer to each other by index, so nothing recurses, and each opcode adds at most one value of bounded size.

use std::collections::BTreeMap;

use safetensors::Dtype;
use thiserror::Error;

/// Why a pickle was refused. Nothing of it was executed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PickleError {
    /// It names a class or function outside the list.
    #[error(
        "it refers to `{module}.{name}`, which is not among the few names of plain tensors in dictionaries, and mpcc \
         executes nothing of it"
    )]
    Global {
        /// Python module.
        module: String,
        /// Name in it.
        name: String,
    },
    /// An opcode outside the list.
    #[error("it holds the pickle opcode {opcode:#04x} at byte {at}, which plain tensors in dictionaries do not need")]
    Opcode {
        /// The opcode.
        opcode: u8,
        /// Its offset.
        at: usize,
    },
    /// It ends too early.
    #[error("its pickle is cut off")]
    Truncated,
    /// Its opcodes do not fit together.
    #[error("its pickle is damaged: {0}")]
    Malformed(&'static str),
}

use PickleError::{Malformed, Truncated};

/// Index of a value in its arena.
pub(super) type Id = usize;

/// The names that a pickle may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `argparse.Namespace`, the options of a training script.
    Namespace,
    /// `torch._utils._rebuild_tensor_v2`
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`
    RebuildParameter,
    /// `torch.FloatStorage` and the like.
    Storage(Dtype),
}

const GLOBALS: [(&str, &str, Global); 14] = [
    ("collections", "OrderedDict", Global::OrderedDict),
    ("argparse", "Namespace", Global::Namespace),
    ("torch._utils", "_rebuild_tensor_v2", Global::RebuildTensor),
    ("torch._utils", "_rebuild_parameter", Global::RebuildParameter),
    ("torch", "DoubleStorage", Global::Storage(Dtype::F64)),
    ("torch", "FloatStorage", Global::Storage(Dtype::F32)),
    ("torch", "HalfStorage", Global::Storage(Dtype::F16)),
    ("torch", "BFloat16Storage", Global::Storage(Dtype::BF16)),
    ("torch", "LongStorage", Global::Storage(Dtype::I64)),
    ("torch", "IntStorage", Global::Storage(Dtype::I32)),
    ("torch", "ShortStorage", Global::Storage(Dtype::I16)),
    ("torch", "CharStorage", Global::Storage(Dtype::I8)),
    ("torch", "ByteStorage", Global::Storage(Dtype::U8)),
    ("torch", "BoolStorage", Global::Storage(Dtype::BOOL)),
];

/// A run of entries in a file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    /// Number format of the entries.
    pub(super) dtype: Dtype,
    /// Name of the file.
    pub(super) key: String,
    /// Number of entries.
    pub(super) entries: usize,
}

/// A strided view of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Where the entries are.
    pub(super) storage: Storage,
    /// First entry.
    pub(super) offset: usize,
    /// Extents.
    pub(super) shape: Vec<usize>,
    /// Entries between neighbours along each axis.
    pub(super) strides: Vec<usize>,
}

/// Axes that a tensor may have. With [`LONGEST_KEY`] it bounds what one opcode can store.
const MOST_AXES: usize = 8;
/// Bytes in the name of a storage's file; PyTorch numbers them.
const LONGEST_KEY: usize = 64;

/// What a pickle holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A tuple or a list.
    List(Vec<Id>),
    /// Pairs of key and value.
    Dict(Vec<(Id, Id)>),
    /// A namespace, whose attributes are the dictionary.
    Object(Option<Id>),
    Storage(Storage),
    Tensor(View),
    Global(Global),
}

/// All values of a pickle, and the one that it stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// The value that the pickle stands for.
    pub(super) fn root(&self) -> &Value {
        &self.values[self.root]
    }

    /// A value by its index.
    pub(super) fn value(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// The entry of a dictionary, or the attribute of a namespace, under a text.
    pub(super) fn get(&self, of: &Value, key: &str) -> Option<&Value> {
        let entries = match of {
            Value::Dict(entries) => entries,
            Value::Object(Some(attributes)) => match self.value(*attributes) {
                Value::Dict(entries) => entries,
                _ => return None,
            },
            _ => return None,
        };
        let matching = |(k, _): &&(Id, Id)| matches!(self.value(*k), Value::Text(text) if text == key);
        entries.iter().find(matching).map(|(_, value)| self.value(*value))
    }
}

/// Reads a pickle.
///
/// # Errors
/// If it is damaged, or needs a name or an opcode outside the lists.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
    let mut machine = Machine { bytes, at: 0, values: vec![], stack: vec![], marks: vec![], memo: BTreeMap::new() };
    loop {
        if let Some(root) = machine.step()? {
            return Ok(Pickle { values: machine.values, root });
        }
    }
}

/// The stack machine.
struct Machine<'b> {
    bytes: &'b [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
}

const STACK: PickleError = Malformed("it takes more values from its stack than it put there");

impl<'b> Machine<'b> {
    /// Executes one opcode; at the end, the value left.
    fn step(&mut self) -> Result<Option<Id>, PickleError> {
        let at = self.at;
        match self.byte()? {
            // PROTO
            0x80 => {
                if !(2..=4).contains(&self.byte()?) {
                    return Err(Malformed("its protocol is not 2, 3 or 4"));
                }
            }
            // FRAME
            0x95 => {
                self.take::<8>()?;
            }
            // STOP
            b'.' => return self.pop().map(Some),
            // MARK
            b'(' => self.marks.push(self.stack.len()),
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            // BININT, BININT1, BININT2, LONG1
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.push(Value::Int(i64::from(value)));
            }
            b'K' => {
                let value = self.byte()?;
                self.push(Value::Int(i64::from(value)));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take()?);
                self.push(Value::Int(i64::from(value)));
            }
            0x8a => self.long()?,
            // BINFLOAT
            b'G' => {
                let value = f64::from_be_bytes(self.take()?);
                self.push(Value::Float(value));
            }
            // BINUNICODE, SHORT_BINUNICODE
            b'X' => {
                let length = u32::from_le_bytes(self.take()?);
                self.text(length as usize)?;
            }
            0x8c => {
                let length = self.byte()?;
                self.text(usize::from(length))?;
            }
            // EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT
            b')' | b']' => self.push(Value::List(vec![])),
            b'}' => self.push(Value::Dict(vec![])),
            // TUPLE1, TUPLE2, TUPLE3, TUPLE
            count @ 0x85..=0x87 => {
                let items = self.last(usize::from(count - 0x84))?;
                self.push(Value::List(items));
            }
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::List(items));
            }
            // APPEND, APPENDS
            b'a' => {
                let items = self.last(1)?;
                self.extend_list(&items)?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.extend_list(&items)?;
            }
            // SETITEM, SETITEMS
            b's' => {
                let items = self.last(2)?;
                self.extend_dict(&items)?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.extend_dict(&items)?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE
            b'q' => {
                let slot = self.byte()?;
                self.memoise(u32::from(slot))?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.take()?);
                self.memoise(slot)?;
            }
            0x94 => self.memoise(u32::try_from(self.memo.len()).map_err(|_| STACK)?)?,
            // BINGET, LONG_BINGET
            b'h' => {
                let slot = self.byte()?;
                self.recall(u32::from(slot))?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.take()?);
                self.recall(slot)?;
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let names = self.last(2)?;
                let (module, name) = (self.as_text(names[0])?.to_owned(), self.as_text(names[1])?.to_owned());
                self.global(&module, &name)?;
            }
            // BINPERSID
            b'Q' => self.storage()?,
            // REDUCE, NEWOBJ
            b'R' | 0x81 => self.call()?,
            // BUILD
            b'b' => self.build()?,
            opcode => return Err(PickleError::Opcode { opcode, at }),
        }
        Ok(None)
    }

    fn slice(&mut self, length: usize) -> Result<&'b [u8], PickleError> {
        let end = self.at.checked_add(length).ok_or(Truncated)?;
        let slice = self.bytes.get(self.at..end).ok_or(Truncated)?;
        self.at = end;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        self.slice(N)?.try_into().map_err(|_| Truncated)
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        self.take().map(|[byte]| byte)
    }

    /// Text up to the end of the line.
    fn line(&mut self) -> Result<String, PickleError> {
        let length = self.bytes[self.at..].iter().position(|b| *b == b'\n').ok_or(Truncated)?;
        let line = self.slice(length)?;
        self.at += 1;
        utf8(line)
    }

    /// An integer of up to eight bytes, two's complement; larger ones are in no description of a tensor.
    fn long(&mut self) -> Result<(), PickleError> {
        let length = self.byte()?;
        let bytes = self.slice(usize::from(length))?;
        if bytes.len() > 8 {
            return Err(Malformed("it holds an integer of more than 64 bits"));
        }
        let negative = bytes.last().is_some_and(|b| b >> 7 == 1);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)));
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), PickleError> {
        let text = utf8(self.slice(length)?)?;
        self.push(Value::Text(text));
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    /// The last `count` values above the innermost mark.
    fn last(&mut self, count: usize) -> Result<Vec<Id>, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(count).filter(|from| *from >= floor).ok_or(STACK)?;
        Ok(self.stack.split_off(from))
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        self.last(1).map(|items| items[0])
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or(STACK)?;
        Ok(self.stack.split_off(mark))
    }

    /// The value on top of the stack, which stays there.
    fn top(&mut self) -> Result<&mut Value, PickleError> {
        let top = *self.stack.last().ok_or(STACK)?;
        Ok(&mut self.values[top])
    }

    fn extend_list(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let Value::List(list) = self.top()? else { return Err(Malformed("it appends to something that is no list")) };
        list.extend(items);
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let (pairs, rest) = items.as_chunks();
        let Value::Dict(entries) = self.top()? else {
            return Err(Malformed("it adds entries to something that is no dictionary"));
        };
        entries.extend(pairs.iter().map(|[key, value]| (*key, *value)));
        if rest.is_empty() { Ok(()) } else { Err(Malformed("a key has no value")) }
    }

    fn memoise(&mut self, slot: u32) -> Result<(), PickleError> {
        let top = *self.stack.last().ok_or(STACK)?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<(), PickleError> {
        let id = *self.memo.get(&slot).ok_or(Malformed("it refers to a value that it did not store"))?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        let known = GLOBALS.iter().find(|(m, n, _)| (*m, *n) == (module, name));
        let refused = || PickleError::Global { module: module.to_owned(), name: name.to_owned() };
        let (.., global) = known.ok_or_else(refused)?;
        self.push(Value::Global(*global));
        Ok(())
    }

    /// Items of a tuple or list.
    fn items(&self, id: Id) -> Result<&[Id], PickleError> {
        match &self.values[id] {
            Value::List(items) => Ok(items),
            _ => Err(Malformed("a tuple is needed and something else is there")),
        }
    }

    fn as_text(&self, id: Id) -> Result<&str, PickleError> {
        match &self.values[id] {
            Value::Text(text) => Ok(text),
            _ => Err(Malformed("a text is needed and something else is there")),
        }
    }

    fn extent(&self, id: Id) -> Result<usize, PickleError> {
        match &self.values[id] {
            Value::Int(n) => usize::try_from(*n).map_err(|_| Malformed("an extent is negative")),
            _ => Err(Malformed("a number is needed and something else is there")),
        }
    }

    fn extents(&self, id: Id) -> Result<Vec<usize>, PickleError> {
        let items = self.items(id)?;
        if items.len() > MOST_AXES {
            return Err(Malformed("a tensor has too many axes"));
        }
        items.iter().map(|id| self.extent(*id)).collect()
    }

    /// `('storage', class, file, device, entries)` to a storage.
    fn storage(&mut self) -> Result<(), PickleError> {
        let id = self.pop()?;
        let &[word, class, key, _, entries] = self.items(id)? else {
            return Err(Malformed("a storage has other fields than PyTorch gives it"));
        };
        let Value::Global(Global::Storage(dtype)) = self.values[class] else {
            return Err(Malformed("a storage has no number format"));
        };
        if self.as_text(word)? != "storage" {
            return Err(Malformed("it refers to something that is no storage"));
        }
        let key = Some(self.as_text(key)?).filter(|key| key.len() <= LONGEST_KEY);
        let key = key.ok_or(Malformed("the name of a storage is too long"))?.to_owned();
        let storage = Storage { dtype, key, entries: self.extent(entries)? };
        self.push(Value::Storage(storage));
        Ok(())
    }

    /// What a global stands for, given its arguments.
    fn call(&mut self) -> Result<(), PickleError> {
        let both = self.last(2)?;
        let Value::Global(global) = self.values[both[0]] else {
            return Err(Malformed("it calls something that is no global"));
        };
        let arguments = self.items(both[1])?;
        let value = match (global, arguments) {
            (Global::OrderedDict, []) => Value::Dict(vec![]),
            (Global::Namespace, []) => Value::Object(None),
            (Global::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                let Value::Storage(storage) = &self.values[storage] else {
                    return Err(Malformed("a tensor has no storage"));
                };
                let storage = storage.clone();
                let (shape, strides) = (self.extents(shape)?, self.extents(strides)?);
                Value::Tensor(View { storage, offset: self.extent(offset)?, shape, strides })
            }
            (Global::RebuildParameter, &[tensor, ..]) => match &self.values[tensor] {
                Value::Tensor(view) => Value::Tensor(view.clone()),
                _ => return Err(Malformed("a parameter is no tensor")),
            },
            _ => return Err(Malformed("a call has other arguments than PyTorch gives it")),
        };
        self.push(value);
        Ok(())
    }

    /// Attributes for the value below: kept for a namespace, and without a meaning for a dictionary.
    fn build(&mut self) -> Result<(), PickleError> {
        let attributes = self.pop()?;
        match self.top()? {
            Value::Object(slot) => *slot = Some(attributes),
            Value::Dict(_) => {}
            _ => return Err(Malformed("it gives attributes to something that has none")),
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Result<String, PickleError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed("a text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The pickle of `{'a': torch.tensor([1., 2.]), 'b': ('x', -3, 0.5, True, None)}` as PyTorch writes it.
    const TENSOR: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((\
        X\x07\x00\x00\x00storageq\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06\
        K\x02tq\x07QK\x00K\x02\x85q\x08K\x01\x85q\x09\x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0d\
        X\x01\x00\x00\x00bq\x0e(X\x01\x00\x00\x00xq\x0fJ\xfd\xff\xff\xffG?\xe0\x00\x00\x00\x00\x00\x00\x88Ntq\x10u.";

    #[test]
    fn a_pickle_of_every_kind_of_value_is_read() {
        let pickle = read(TENSOR).unwrap();
        let storage = Storage { dtype: Dtype::F32, key: "0".into(), entries: 2 };
        let view = View { storage, offset: 0, shape: vec![2], strides: vec![1] };
        assert_eq!(pickle.get(pickle.root(), "a"), Some(&Value::Tensor(view)));
        let Some(Value::List(items)) = pickle.get(pickle.root(), "b") else { panic!("a tuple") };
        let items: Vec<&Value> = items.iter().map(|id| pickle.value(*id)).collect();
        let expected = [Value::Text("x".into()), Value::Int(-3), Value::Float(0.5), Value::Bool(true), Value::None];
        assert_eq!(items, expected.iter().collect::<Vec<_>>());
        assert_eq!(pickle.get(pickle.root(), "c"), None);
    }

    #[test]
    fn a_value_may_hold_itself() {
        // l = []; l.append(l); {'l': l}, which only an arena can hold.
        let pickle = read(b"\x80\x02}X\x01\x00\x00\x00l]q\x00h\x00as.").unwrap();
        assert!(matches!(pickle.get(pickle.root(), "l"), Some(Value::List(items)) if items.len() == 1));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let refused = [
            &b""[..],
            b"\x80\x05.",
            b".",
            b"a",
            b"]a",
            b"(]Na",
            b"N(\x85",
            b"h\x00.",
            b"t",
            b"N(u",
            b"}(Nu",
            b"NNs",
            b")b",
            b"NQ",
            b"N)R",
            b"ctorch\nFloatStorage\n)R.",
            b"X\xff\xff\xff\xffa",
            b"X\x01\x00\x00\x00\xff.",
            b"\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01.",
            b"cos",
        ];
        for bytes in refused {
            assert!(matches!(read(bytes), Err(Truncated | Malformed(_))), "{bytes:?}");
        }
        assert_eq!(read(b"\x82\x01."), Err(PickleError::Opcode { opcode: 0x82, at: 0 }));
        let global = |module: &str, name: &str| PickleError::Global { module: module.into(), name: name.into() };
        assert_eq!(read(b"cos\nsystem\n.").unwrap_err(), global("os", "system"));
        let by_stack = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.";
        assert_eq!(read(by_stack).unwrap_err(), global("os", "system"));
    }

    proptest! {
        /// Whatever the bytes, reading ends with a value or a refusal, in a number of values bounded by their length.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(pickle) = read(&bytes) {
                prop_assert!(pickle.values.len() <= bytes.len());
            }
        }

        /// The same near a whole pickle, where more opcodes meet what they need.
        #[test]
        fn changed_pickles_are_read_or_refused(
            changes in proptest::collection::vec((0..TENSOR.len(), prop_oneof![any::<u8>(), Just(b'('), Just(b'R'), Just(b'h')]), 1..6),
            cut in 0..=TENSOR.len(),
        ) {
            let mut bytes = TENSOR.to_vec();
            for (at, to) in changes {
                bytes[at] = to;
            }
            for bytes in [&bytes[..], &bytes[..cut], &[&bytes[..cut], TENSOR].concat()] {
                if let Ok(pickle) = read(bytes) {
                    prop_assert!(pickle.values.len() <= bytes.len());
                }
            }
        }
    }
}
