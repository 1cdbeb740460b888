//! The stack machine of pickles, cut down to the opcodes that plain tensors in dictionaries need.

use std::collections::BTreeMap;

use super::PickleError::{self, Malformed, Truncated};
use super::{GLOBALS, Global, Id, LONGEST_KEY, MOST_AXES, Pickle, Storage, Value, View};

/// Reads a pickle.
///
/// # Errors
/// If it is damaged, or needs a name or an opcode outside the lists.
pub(in crate::tensors) fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
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
