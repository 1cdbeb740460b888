//! `.npz` files of NumPy: zip archives with an array for each name, stored or deflated.

use std::io::Read;
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::Input;
use mpcc_compiler::shown::shown;

use super::{ARRAY_HEADER_LIMIT, InputError, array_limit, from_array};

/// One file of an archive.
struct Entry<'a> {
    name: String,
    method: u16,
    checksum: u32,
    size: u64,
    stored: &'a [u8],
}

/// A value for each input, from the arrays of these names. There may be no other array.
///
/// # Errors
/// If the file is damaged, an array is missing, or has another shape or element than its input.
pub(super) fn load(path: &Path, inputs: &[Input]) -> Result<Vec<Tensor>, InputError> {
    let limit = inputs.iter().map(array_limit).fold(ARRAY_HEADER_LIMIT, u64::saturating_add);
    let bytes = crate::file::read(path, limit)?;
    let format = |reason| InputError::Format { path: path.into(), kind: "npz", reason };
    let entries = entries(&bytes).map_err(format)?;
    let place = || path.display().to_string();
    let known = |entry: &&Entry<'_>| inputs.iter().any(|input| input.name == entry.name);
    if let Some(entry) = entries.iter().find(|entry| !known(entry)) {
        let inputs = inputs.iter().map(|input| input.name.clone()).collect();
        return Err(InputError::UnknownInput { place: place(), name: entry.name.clone(), inputs });
    }
    let found = |input: &Input| entries.iter().find(|entry| entry.name == input.name);
    let missing: Vec<String> =
        inputs.iter().filter(|input| found(input).is_none()).map(|input| input.name.clone()).collect();
    if !missing.is_empty() {
        return Err(InputError::Missing { place: place(), missing });
    }
    let given = inputs.iter().filter_map(|input| Some((input, found(input)?)));
    given
        .map(|(input, entry)| {
            let bytes = unpacked(entry, array_limit(input))
                .map_err(|reason| format(format!("its array `{}` {reason}", entry.name)))?;
            from_array(path, "npz", &bytes, input)
        })
        .collect()
}

/// What the directory at the end of an archive lists; `.npy` is dropped from the names.
fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, String> {
    const END: &[u8] = b"PK\x05\x06";
    const LISTED: &[u8] = b"PK\x01\x02";
    let cut = || "it is cut off".to_owned();
    let end = bytes.windows(END.len()).rposition(|window| window == END);
    let end = &bytes[end.ok_or("it has no directory; write it with numpy.savez")?..];
    if end.len() < 22 {
        return Err(cut());
    }
    let count = half(end, 10).ok_or_else(cut)?;
    let mut at = word(end, 16).ok_or_else(cut)? as usize;
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for _ in 0..count {
        let listed = bytes.get(at..).filter(|rest| rest.starts_with(LISTED)).ok_or_else(cut)?;
        let field = |at| word(listed, at).ok_or_else(cut);
        let length = |at| half(listed, at).map(usize::from).ok_or_else(cut);
        let (packed, size, start) = (field(20)?, field(24)?, field(42)?);
        if [packed, size, start].contains(&u32::MAX) {
            return Err("it is too large".to_owned());
        }
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let name = listed.get(46..46 + name).and_then(|name| std::str::from_utf8(name).ok()).ok_or_else(cut)?;
        // The local header has extra fields of its own.
        let local = bytes.get(start as usize..).ok_or_else(cut)?;
        let skipped =
            30 + usize::from(half(local, 26).ok_or_else(cut)?) + usize::from(half(local, 28).ok_or_else(cut)?);
        let stored = local.get(skipped..).and_then(|data| data.get(..packed as usize)).ok_or_else(cut)?;
        at += 46 + name.len() + extra + comment;
        let name = name.strip_suffix(".npy").unwrap_or(name).to_owned();
        if entries.iter().any(|entry| entry.name == name) {
            return Err(format!("it holds `{}` twice", shown(&name)));
        }
        entries.push(Entry { name, method: length(10)? as u16, checksum: field(16)?, size: u64::from(size), stored });
    }
    Ok(entries)
}

/// The bytes of an entry, at most `limit`.
fn unpacked(entry: &Entry<'_>, limit: u64) -> Result<Vec<u8>, String> {
    if entry.size > limit {
        return Err(format!("has {} bytes and at most {limit} can be used", entry.size));
    }
    let mut bytes = Vec::new();
    match entry.method {
        0 => bytes.extend_from_slice(entry.stored),
        8 => {
            let mut unpack = DeflateDecoder::new(entry.stored).take(entry.size + 1);
            unpack.read_to_end(&mut bytes).map_err(|_| "cannot be unpacked")?;
        }
        _ => return Err("is packed in an unknown way; write it with numpy.savez".to_owned()),
    }
    let mut checksum = Crc::new();
    checksum.update(&bytes);
    if bytes.len() as u64 != entry.size || checksum.sum() != entry.checksum {
        return Err("is damaged".to_owned());
    }
    Ok(bytes)
}

/// The 16-bit number at a byte.
fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

/// The 32-bit number at a byte.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}
