//! What can go wrong with an identity or a link, worded so that the reader knows who must act.

use thiserror::Error;

/// Which exit status of the command line an error belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitClass {
    /// The user gave something wrong (status 2).
    Usage,
    /// The peer or the dealer disagrees, is not who it should be, or broke the rules (status 3).
    Peer,
    /// The link was lost, timed out or could not be made (status 4).
    Link,
    /// A mistake of this program (status 70).
    Bug,
}

impl ExitClass {
    /// The process exit status.
    pub fn status(self) -> u8 {
        match self {
            ExitClass::Usage => 2,
            ExitClass::Peer => 3,
            ExitClass::Link => 4,
            ExitClass::Bug => 70,
        }
    }
}

/// Why an identity could not be made, saved, loaded or read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum IdentityError {
    /// Key generation or signing failed.
    #[error("cannot generate an identity: {0}")]
    Generate(String),
    /// The directory already holds an identity.
    #[error("{0} already exists: an identity is never overwritten; choose another directory or move it away")]
    Exists(String),
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {detail}")]
    File {
        /// `read`, `write` or `create`.
        action: &'static str,
        /// The file or directory.
        path: String,
        /// What the operating system said.
        detail: String,
    },
    /// The private key can be read by other users.
    #[error(
        "{path} can be read by other users (mode {mode:03o}): run `chmod 600 {path}`, or make a new identity if it may have leaked"
    )]
    KeyExposed {
        /// The key file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The files are there but do not form an identity.
    #[error("{path} is not a usable identity: {detail}; make one with `mpcc keygen`")]
    Malformed {
        /// The file or directory.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A fingerprint was mistyped.
    #[error("`{0}` is not a fingerprint: expected `mpcc1-` and 64 hexadecimal digits")]
    Fingerprint(String),
}

/// Why a link could not be made, or ended.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum LinkError {
    /// Another program listens on the address.
    #[error("port in use: another program listens on {address}; stop it or choose another port")]
    PortInUse {
        /// The address asked for.
        address: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {detail}")]
    CannotListen {
        /// The address asked for.
        address: String,
        /// What the operating system said.
        detail: String,
    },
    /// No link to the peer's address could be made within the time allowed.
    #[error(
        "{peer} cannot be reached at {address} within {seconds:.1} s ({detail}); check that it runs and that the address is right"
    )]
    Unreachable {
        /// The peer's name.
        peer: String,
        /// Its address.
        address: String,
        /// How long it was tried.
        seconds: f64,
        /// What happened last.
        detail: String,
    },
    /// The peer did nothing for too long, though the connection stands.
    #[error("timed out after {seconds:.1} s waiting for {peer} {awaited}")]
    TimedOut {
        /// The peer's name.
        peer: String,
        /// What was awaited, as in `to connect`.
        awaited: String,
        /// The time limit.
        seconds: f64,
    },
    /// The connection broke, or the peer fell silent.
    #[error("link to {peer} lost: {detail}")]
    Lost {
        /// The peer's name.
        peer: String,
        /// What was seen.
        detail: String,
    },
    /// The peer closed the link in good order, but more was expected.
    #[error("{peer} closed the link; its own output says why")]
    Closed {
        /// The peer's name.
        peer: String,
    },
    /// The other end is not who it should be, or refuses who we are.
    #[error("{peer}: {detail}")]
    Identity {
        /// The peer's name.
        peer: String,
        /// Which fingerprint was seen, or what was refused.
        detail: String,
    },
    /// Our own identity cannot be used.
    #[error(transparent)]
    OwnIdentity(#[from] IdentityError),
    /// The peer broke the rules of the link.
    #[error("{peer} misbehaved: {detail}; both sides must run the same version of mpcc")]
    Misbehaved {
        /// The peer's name.
        peer: String,
        /// Which rule was broken.
        detail: String,
    },
    /// The caller broke the rules of the link.
    #[error("misuse of the link to {peer}: {detail}")]
    Misuse {
        /// The peer's name.
        peer: String,
        /// Which rule was broken.
        detail: String,
    },
    /// The operating system refused something a link needs.
    #[error("cannot {action}: {detail}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the operating system said.
        detail: String,
    },
}

impl LinkError {
    /// The class of exit status of this error.
    pub fn exit_class(&self) -> ExitClass {
        match self {
            LinkError::PortInUse { .. }
            | LinkError::CannotListen { .. }
            | LinkError::Unreachable { .. }
            | LinkError::TimedOut { .. }
            | LinkError::Lost { .. }
            | LinkError::Closed { .. }
            | LinkError::System { .. } => ExitClass::Link,
            LinkError::Identity { .. } | LinkError::Misbehaved { .. } => ExitClass::Peer,
            LinkError::OwnIdentity(_) => ExitClass::Usage,
            LinkError::Misuse { .. } => ExitClass::Bug,
        }
    }
}
