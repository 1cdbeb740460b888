//! The `.npy` format of NumPy, versions 1 to 3, for plain numbers.

/// A parsed array.
#[derive(Debug)]
pub(super) struct Array {
    /// Extents; none for a scalar.
    pub(super) shape: Vec<usize>,
    fortran: bool,
    stored: Vec<f64>,
}

impl Array {
    /// Entries in row-major order.
    pub(super) fn values(self) -> Vec<f64> {
        if !self.fortran {
            return self.stored;
        }
        let mut positions = vec![0];
        let mut stride = 1;
        let strides: Vec<usize> = self
            .shape
            .iter()
            .map(|extent| {
                let own = stride;
                stride *= extent;
                own
            })
            .collect();
        for (extent, stride) in self.shape.iter().zip(strides) {
            positions = positions.iter().flat_map(|p| (0..*extent).map(move |i| p + i * stride)).collect();
        }
        positions.into_iter().map(|p: usize| self.stored[p]).collect()
    }
}

/// Reads a file's bytes, or says what is wrong with them.
pub(super) fn parse(bytes: &[u8]) -> Result<Array, String> {
    let cut = || "it is cut off in its header".to_owned();
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("it does not begin as one; write it with numpy.save")?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
    let (length, rest) = match version {
        [1, _] => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        [2 | 3, _] => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        [major, minor] => return Err(format!("format version {major}.{minor} is not read; write it with numpy.save")),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text")?;

    let descr = string(field(header, "descr")?)?;
    let fortran = match field(header, "fortran_order")? {
        text if text.starts_with("True") => true,
        text if text.starts_with("False") => false,
        _ => return Err("`fortran_order` is neither True nor False".into()),
    };
    let shape = extents(field(header, "shape")?)?;
    let count = shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent)).ok_or("its shape is impossible")?;
    let stored = numbers(descr, data)?;
    if stored.len() != count {
        return Err(format!("its shape asks for {count} entries and there are {}", stored.len()));
    }
    Ok(Array { shape, fortran, stored })
}

/// The text after `'key':` in the header's dictionary.
fn field<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    ["'", "\""]
        .iter()
        .find_map(|quote| header.split_once(&format!("{quote}{key}{quote}")))
        .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
        .map(str::trim_start)
        .ok_or_else(|| format!("its header has no `{key}`"))
}

fn string(text: &str) -> Result<&str, String> {
    let quoted = text.strip_prefix(['\'', '"']).and_then(|rest| rest.split_once(['\'', '"']));
    quoted.map(|(inner, _)| inner).ok_or_else(|| "its entries are records; save a plain array of numbers".into())
}

fn extents(text: &str) -> Result<Vec<usize>, String> {
    let inner = text.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or("`shape` is not a tuple")?.0;
    let parts = inner.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().map_err(|_| format!("`{part}` in `shape` is not an extent"))).collect()
}

/// Entries in the order of the file.
fn numbers(descr: &str, data: &[u8]) -> Result<Vec<f64>, String> {
    let unread = || format!("entries of the type `{descr}` are not read; convert the array to float64, int64 or uint8");
    let (order, code) = descr.split_at_checked(1).ok_or_else(unread)?;
    let swap = match order {
        "<" | "|" | "=" => false,
        ">" => true,
        _ => return Err(unread()),
    };
    macro_rules! decode {
        ($number:ty) => {{
            let (chunks, rest) = data.as_chunks::<{ size_of::<$number>() }>();
            if !rest.is_empty() {
                return Err("it ends within an entry".into());
            }
            let read = if swap { <$number>::from_be_bytes } else { <$number>::from_le_bytes };
            chunks.iter().map(|bytes| read(*bytes) as f64).collect()
        }};
    }
    Ok(match code {
        "b1" | "u1" => decode!(u8),
        "i1" => decode!(i8),
        "u2" => decode!(u16),
        "i2" => decode!(i16),
        "u4" => decode!(u32),
        "i4" => decode!(i32),
        "u8" => decode!(u64),
        "i8" => decode!(i64),
        "f4" => decode!(f32),
        "f8" => decode!(f64),
        _ => return Err(unread()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        if version == 1 {
            bytes.extend((header.len() as u16).to_le_bytes());
        } else {
            bytes.extend((header.len() as u32).to_le_bytes());
        }
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn header(descr: &str, fortran: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}       \n")
    }

    #[test]
    fn both_orders_give_the_same_array() {
        let c = parse(&file(1, &header("|u1", "False", "(2, 3)"), &[1, 2, 3, 4, 5, 6])).unwrap();
        let fortran = parse(&file(2, &header("|u1", "True", "(2, 3)"), &[1, 4, 2, 5, 3, 6])).unwrap();
        assert_eq!(c.shape, [2, 3]);
        assert_eq!(c.values(), fortran.values());
    }

    #[test]
    fn a_fortran_array_of_three_axes() {
        // a[i, j, k] = 100 i + 10 j + k, shape (2, 3, 2); the first index runs fastest.
        let mut stored = Vec::new();
        for k in 0..2u8 {
            for j in 0..3 {
                for i in 0..2 {
                    stored.push(100 * i + 10 * j + k);
                }
            }
        }
        let array = parse(&file(1, &header("|u1", "True", "(2, 3, 2)"), &stored)).unwrap();
        let expected = [0., 1., 10., 11., 20., 21., 100., 101., 110., 111., 120., 121.];
        assert_eq!(array.values(), expected);
    }

    #[test]
    fn number_types_and_byte_orders() {
        let one =
            |descr: &str, data: &[u8]| parse(&file(3, &header(descr, "False", "(1,)"), data)).unwrap().values()[0];
        assert_eq!(one("<i4", &(-5i32).to_le_bytes()), -5.0);
        assert_eq!(one(">i4", &(-5i32).to_be_bytes()), -5.0);
        assert_eq!(one("<i8", &(1i64 << 40).to_le_bytes()), (1u64 << 40) as f64);
        assert_eq!(one("<f4", &1.5f32.to_le_bytes()), 1.5);
        assert_eq!(one(">f8", &(-2.25f64).to_be_bytes()), -2.25);
        assert_eq!(one("|b1", &[1]), 1.0);
        assert!(parse(&file(1, &header("<f8", "False", "()"), &1f64.to_le_bytes())).unwrap().shape.is_empty());
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let good = header("<f4", "False", "(2,)");
        let data = [0u8; 8];
        let cases = [
            (b"PK\x03\x04".to_vec(), "numpy.save"),
            (b"\x93NUMPY\x01".to_vec(), "cut off"),
            (file(1, &good, &data)[..30].to_vec(), "cut off"),
            (file(9, &good, &data), "version 9.0"),
            (file(1, &good, &data[..4]), "asks for 2 entries and there are 1"),
            (file(1, &good, &data[..7]), "within an entry"),
            (file(1, &header("<c8", "False", "(1,)"), &data), "`<c8` are not read"),
            (file(1, &header("|O", "False", "(1,)"), &data), "`|O` are not read"),
            (file(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", &data), "records"),
            (file(1, "{'fortran_order': False, 'shape': (2,)}", &data), "no `descr`"),
            (file(1, &header("<f4", "Maybe", "(2,)"), &data), "neither True nor False"),
            (file(1, &header("<f4", "False", "2"), &data), "not a tuple"),
            (file(1, &header("<f4", "False", "(x,)"), &data), "not an extent"),
            (file(1, &header("<f4", "False", "(4294967296, 4294967296)"), &data), "impossible"),
        ];
        for (bytes, expected) in cases {
            let message = parse(&bytes).unwrap_err();
            assert!(message.contains(expected), "{message:?} should contain {expected:?}");
        }
    }
}
