//! Reading sources and writing results; a result appears whole or not at all.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use mpcc_program::shown::shown;

use crate::terminal::write_out;

/// The longest source text.
const SOURCE_LIMIT: u64 = 2 << 20;

/// A path that stands for standard input or output.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The text of a source file, or of standard input for `-`.
pub fn read_source(path: &Path) -> Result<String> {
    let name = shown(path);
    let mut bytes = Vec::new();
    let read = if is_standard(path) {
        io::stdin().lock().take(SOURCE_LIMIT + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(SOURCE_LIMIT + 1).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {name}"))?;
    if bytes.len() as u64 > SOURCE_LIMIT {
        bail!("{name} is longer than {} MiB; is this a model file?", SOURCE_LIMIT >> 20);
    }
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{name} is not UTF-8 text; is this a model file?"))
}

/// The name of a source as messages show it.
pub fn source_name(path: &Path) -> String {
    if is_standard(path) { "<stdin>".to_owned() } else { path.display().to_string() }
}

/// Writes a file whole or not at all, or to standard output for `-`. A link is followed, and a file that is there
/// keeps its permissions.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if is_standard(path) {
        let text = String::from_utf8_lossy(bytes);
        return Ok(write_out(&text)?);
    }
    write_whole(path, bytes).with_context(|| format!("cannot write {}; nothing was changed", shown(path)))
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if !target.metadata().map_or(true, |m| m.is_file()) {
        return Err(io::Error::other("it is not a regular file"));
    }
    let directory = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    let new_file = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(new_file);
    let mut file = builder.tempfile_in(directory)?;
    if let Ok(there) = target.metadata() {
        file.as_file().set_permissions(there.permissions())?;
    }
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(&target)?;
    Ok(())
}
