//! Checkpoints as `torch.save` writes them, byte by byte: a pickle of protocol 2 in an archive of stored files.

/// What a pickle is made of.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Tuple(Vec<Object>),
    List(Vec<Object>),
    Dict(Vec<(&'static str, Object)>),
    /// `collections.OrderedDict` with an attribute, as state dicts are.
    StateDict(Vec<(String, Object)>),
    /// `argparse.Namespace`
    Namespace(Vec<(&'static str, Object)>),
    Tensor {
        class: &'static str,
        key: usize,
        entries: usize,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
        /// Wrapped in `_rebuild_parameter`.
        parameter: bool,
    },
    /// A function of the module with these arguments.
    Call(&'static str, &'static str, Vec<Object>),
}

/// A tensor of 32-bit floats in a storage of its own.
pub(crate) fn tensor(key: usize, shape: &[usize]) -> Object {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    let entries = shape.iter().product();
    Object::Tensor { class: "FloatStorage", key, entries, offset: 0, shape: shape.to_vec(), strides, parameter: false }
}

/// The pickle of an object.
pub(crate) fn pickle(object: &Object) -> Vec<u8> {
    let mut out = vec![0x80, 2];
    let mut slot = 0;
    put(object, &mut out, &mut slot);
    out.push(b'.');
    out
}

fn global(module: &str, name: &str, out: &mut Vec<u8>) {
    out.extend(format!("c{module}\n{name}\n").into_bytes());
}

fn memoise(out: &mut Vec<u8>, slot: &mut u32) {
    match u8::try_from(*slot) {
        Ok(short) => out.extend([b'q', short]),
        Err(_) => {
            out.push(b'r');
            out.extend(slot.to_le_bytes());
        }
    }
    *slot += 1;
}

fn text(text: &str, out: &mut Vec<u8>, slot: &mut u32) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.bytes());
    memoise(out, slot);
}

fn entries<'o>(entries: impl Iterator<Item = (&'o str, &'o Object)>, out: &mut Vec<u8>, slot: &mut u32) {
    out.push(b'(');
    for (key, value) in entries {
        text(key, out, slot);
        put(value, out, slot);
    }
    out.push(b'u');
}

fn tuple(items: &[Object], out: &mut Vec<u8>, slot: &mut u32) {
    if items.len() > 3 {
        out.push(b'(');
    }
    for item in items {
        put(item, out, slot);
    }
    out.push(match items.len() {
        0 => b')',
        n @ 1..=3 => 0x84 + n as u8,
        _ => b't',
    });
}

fn ordered_dict(out: &mut Vec<u8>, slot: &mut u32) {
    global("collections", "OrderedDict", out);
    memoise(out, slot);
    out.extend(b")R");
    memoise(out, slot);
}

fn put(object: &Object, out: &mut Vec<u8>, slot: &mut u32) {
    match object {
        Object::Bool(on) => out.push(if *on { 0x88 } else { 0x89 }),
        Object::Int(n) => match (u8::try_from(*n), u16::try_from(*n), i32::try_from(*n)) {
            (Ok(n), ..) => out.extend([b'K', n]),
            (_, Ok(n), _) => {
                out.push(b'M');
                out.extend(n.to_le_bytes());
            }
            (.., Ok(n)) => {
                out.push(b'J');
                out.extend(n.to_le_bytes());
            }
            _ => {
                out.extend([0x8a, 8]);
                out.extend(n.to_le_bytes());
            }
        },
        Object::Float(x) => {
            out.push(b'G');
            out.extend(x.to_be_bytes());
        }
        Object::Text(t) => text(t, out, slot),
        Object::Tuple(items) => tuple(items, out, slot),
        Object::List(items) => {
            out.push(b']');
            memoise(out, slot);
            out.push(b'(');
            for item in items {
                put(item, out, slot);
            }
            out.push(b'e');
        }
        Object::Dict(items) => {
            out.push(b'}');
            memoise(out, slot);
            entries(items.iter().map(|(k, v)| (*k, v)), out, slot);
        }
        Object::StateDict(items) => {
            ordered_dict(out, slot);
            entries(items.iter().map(|(k, v)| (k.as_str(), v)), out, slot);
            // The attributes: {'_metadata': OrderedDict()}.
            out.push(b'}');
            text("_metadata", out, slot);
            ordered_dict(out, slot);
            out.extend(b"sb");
        }
        Object::Namespace(items) => {
            global("argparse", "Namespace", out);
            out.extend([b')', 0x81]);
            out.push(b'}');
            entries(items.iter().map(|(k, v)| (*k, v)), out, slot);
            out.push(b'b');
        }
        Object::Tensor { class, key, entries, offset, shape, strides, parameter } => {
            if *parameter {
                global("torch._utils", "_rebuild_parameter", out);
            }
            global("torch._utils", "_rebuild_tensor_v2", out);
            memoise(out, slot);
            out.extend(b"((");
            text("storage", out, slot);
            global("torch", class, out);
            memoise(out, slot);
            text(&key.to_string(), out, slot);
            text("cpu", out, slot);
            put(&Object::Int(*entries as i64), out, slot);
            out.extend(b"tQ");
            put(&Object::Int(*offset as i64), out, slot);
            for extents in [shape, strides] {
                let items: Vec<Object> = extents.iter().map(|n| Object::Int(*n as i64)).collect();
                tuple(&items, out, slot);
            }
            put(&Object::Bool(false), out, slot);
            ordered_dict(out, slot);
            out.extend(b"tR");
            memoise(out, slot);
            if *parameter {
                put(&Object::Bool(true), out, slot);
                ordered_dict(out, slot);
                out.extend([0x87, b'R']);
            }
        }
        Object::Call(module, name, arguments) => {
            global(module, name, out);
            tuple(arguments, out, slot);
            out.push(b'R');
        }
    }
}

/// A checkpoint: the pickle of `object`, and the storages with the keys 0, 1, ….
pub(crate) fn checkpoint(object: &Object, storages: &[Vec<u8>]) -> Vec<u8> {
    let mut files = vec![("archive/data.pkl".to_owned(), pickle(object))];
    files.push(("archive/byteorder".to_owned(), b"little".to_vec()));
    files.extend(storages.iter().enumerate().map(|(key, bytes)| (format!("archive/data/{key}"), bytes.clone())));
    files.push(("archive/version".to_owned(), b"3\n".to_vec()));
    archive(&files)
}

/// 32-bit floats as a storage holds them.
pub(crate) fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// An archive of stored files, their data aligned by a padding field as PyTorch does.
pub(crate) fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in files {
        let start = out.len() as u32;
        let size = data.len() as u32;
        // Version 2.0, no flags, stored, no time.
        let mut fields = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fields.extend(crc(data).to_le_bytes());
        fields.extend([size.to_le_bytes(), size.to_le_bytes()].concat());
        fields.extend((name.len() as u16).to_le_bytes());
        let padding = (64 - (out.len() + 30 + name.len() + 4) % 64) % 64;
        out.extend(b"PK\x03\x04");
        out.extend(&fields);
        out.extend((4 + padding as u16).to_le_bytes());
        out.extend(name.bytes());
        out.extend(b"FB");
        out.extend((padding as u16).to_le_bytes());
        out.extend(vec![b'Z'; padding]);
        out.extend(data);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&fields);
        // No extra field, comment, disk or attributes.
        directory.extend([0; 12]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.bytes());
    }
    let (start, size) = (out.len() as u32, directory.len() as u32);
    out.extend(directory);
    let count = (files.len() as u16).to_le_bytes();
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, count].concat());
    out.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    out.extend([0, 0]);
    out
}

/// CRC-32 of IEEE 802.3.
fn crc(data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |c, _| (c >> 1) ^ (0xedb8_8320 * (c & 1)));
    !data.iter().fold(!0, step)
}
