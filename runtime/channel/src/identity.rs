//! Who an endpoint is: a key with a self-signed certificate, known to others by the certificate's fingerprint.
//!
//! An identity is a directory of three files: `key.pem` (private, mode 0600), `certificate.pem` and `fingerprint`. The
//! fingerprint is what the peers are handed, by a way that both trust.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use crate::crypto::crypto;
use crate::error::IdentityError;
use crate::fingerprint::Fingerprint;

const KEY_FILE: &str = "key.pem";
const CERTIFICATE_FILE: &str = "certificate.pem";
const FINGERPRINT_FILE: &str = "fingerprint";

/// A private key and its self-signed certificate.
#[derive(Clone)]
pub struct Identity {
    key_pem: Zeroizing<String>,
    certified: Arc<CertifiedKey>,
    certificate_pem: String,
    fingerprint: Fingerprint,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint)
    }
}

impl Identity {
    /// A fresh Ed25519 key and certificate.
    ///
    /// # Errors
    /// [`IdentityError::Generate`] when the operating system gives no entropy.
    pub fn generate() -> Result<Identity, IdentityError> {
        let failed = |e: rcgen::Error| IdentityError::Generate(e.to_string());
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(failed)?;
        let mut params = rcgen::CertificateParams::new(vec!["party.mpcc.invalid".to_owned()]).map_err(failed)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "mpcc party");
        let certificate = params.self_signed(&key).map_err(failed)?;
        assemble(Zeroizing::new(key.serialize_pem()), certificate.der().clone(), certificate.pem())
            .map_err(IdentityError::Generate)
    }

    /// Writes the identity into a directory, which is made when it does not exist.
    ///
    /// # Errors
    /// [`IdentityError::Exists`] when one of its files is there already; nothing is then changed.
    pub fn save(&self, directory: &Path) -> Result<(), IdentityError> {
        create_private_directory(directory)?;
        for name in [KEY_FILE, CERTIFICATE_FILE, FINGERPRINT_FILE] {
            let path = directory.join(name);
            if path.symlink_metadata().is_ok() {
                return Err(IdentityError::Exists(path.display().to_string()));
            }
        }
        // The key comes last: it makes the directory an identity.
        let files = [
            (CERTIFICATE_FILE, self.certificate_pem.as_bytes(), 0o644),
            (FINGERPRINT_FILE, &format!("{}\n", self.fingerprint).into_bytes(), 0o644),
            (KEY_FILE, self.key_pem.as_bytes(), 0o600),
        ];
        for (written, (name, content, mode)) in files.iter().enumerate() {
            if let Err(error) = write_new(directory, name, content, *mode) {
                for (name, ..) in &files[..written] {
                    // The failure to report is the one that led here.
                    let _ = fs::remove_file(directory.join(name));
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Reads an identity from its directory.
    ///
    /// # Errors
    /// When a file is missing or malformed, the key does not belong to the certificate, or other users can read the key.
    pub fn load(directory: &Path) -> Result<Identity, IdentityError> {
        let key_path = directory.join(KEY_FILE);
        let certificate_path = directory.join(CERTIFICATE_FILE);
        let malformed =
            |path: &Path, detail: String| IdentityError::Malformed { path: path.display().to_string(), detail };
        refuse_exposed(&key_path)?;
        let key_pem = Zeroizing::new(read(&key_path)?);
        let certificate_pem = read(&certificate_path)?;
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| malformed(&certificate_path, "it holds no certificate".to_owned()))?;
        let identity =
            assemble(key_pem, certificate, certificate_pem).map_err(|detail| malformed(directory, detail))?;
        let fingerprint_path = directory.join(FINGERPRINT_FILE);
        if fingerprint_path.exists() {
            let written = read(&fingerprint_path)?.trim().to_owned();
            if written != identity.fingerprint.to_string() {
                let detail = format!("it differs from the certificate's, {}", identity.fingerprint);
                return Err(malformed(&fingerprint_path, detail));
            }
        }
        Ok(identity)
    }

    /// What the peers must be told.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// A secret for `purpose` that follows from the private key and says nothing about it or about the secrets of other
    /// purposes. `purpose` is a constant of the program that nothing else uses.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`] if the key cannot be read, which it could when the identity was made.
    pub fn derive_secret(&self, purpose: &'static str) -> Result<Zeroizing<[u8; 32]>, IdentityError> {
        let malformed =
            |_| IdentityError::Malformed { path: KEY_FILE.to_owned(), detail: "it holds no PKCS #8 key".to_owned() };
        let key = PrivatePkcs8KeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(malformed)?;
        let der = Zeroizing::new(key.secret_pkcs8_der().to_vec());
        Ok(Zeroizing::new(blake3::derive_key(purpose, &der)))
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

fn assemble(
    key_pem: Zeroizing<String>,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
) -> Result<Identity, String> {
    let fingerprint = Fingerprint::of_certificate(&certificate);
    let key = PrivatePkcs8KeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|_| format!("{KEY_FILE} holds no PKCS #8 key"))?;
    let certified = CertifiedKey::from_der(vec![certificate], PrivateKeyDer::Pkcs8(key), &crypto())
        .map_err(|e| format!("the key and the certificate: {e}"))?;
    Ok(Identity { key_pem, certified: Arc::new(certified), certificate_pem, fingerprint })
}

fn file_error(action: &'static str, path: &Path, error: &io::Error) -> IdentityError {
    IdentityError::File { action, path: path.display().to_string(), detail: error.to_string() }
}

fn read(path: &Path) -> Result<String, IdentityError> {
    fs::read_to_string(path).map_err(|e| file_error("read", path, &e))
}

fn create_private_directory(directory: &Path) -> Result<(), IdentityError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|e| file_error("create", directory, &e))
}

/// Writes a file that appears whole or not at all, and never in place of another.
fn write_new(directory: &Path, name: &str, content: &[u8], mode: u32) -> Result<(), IdentityError> {
    let path = directory.join(name);
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    let permissions = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode);
    #[cfg(unix)]
    builder.permissions(permissions);
    #[cfg(not(unix))]
    let _ = mode;
    let failed = |e: &io::Error| file_error("write", &path, e);
    let mut file = builder.tempfile_in(directory).map_err(|e| failed(&e))?;
    file.write_all(content).and_then(|()| file.as_file().sync_all()).map_err(|e| failed(&e))?;
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(IdentityError::Exists(path.display().to_string()))
        }
        Err(e) => Err(failed(&e.error)),
    }
}

#[cfg(unix)]
fn refuse_exposed(path: &Path) -> Result<(), IdentityError> {
    let metadata = fs::metadata(path).map_err(|e| file_error("read", path, &e))?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(IdentityError::KeyExposed { path: path.display().to_string(), mode }),
    }
}

#[cfg(not(unix))]
fn refuse_exposed(_path: &Path) -> Result<(), IdentityError> {
    Ok(())
}
