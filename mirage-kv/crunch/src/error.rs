use mirage_sig::KeyError;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a directory could not be compiled in.
#[derive(Debug)]
#[non_exhaustive]
pub enum CrunchError {
    /// There is no directory of that name.
    NoDirectory(PathBuf),
    /// A file's name cannot be that of a key.
    Name(PathBuf, KeyError),
    /// A file's name is not Unicode.
    NotUnicode(PathBuf),
    /// A link leads out of the directory.
    Outside {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A link leads to a directory that it is in itself.
    Loop(PathBuf),
    /// Neither a file nor a directory.
    Special(PathBuf),
    /// `SOURCE_DATE_EPOCH` is no number.
    Epoch(String),
    /// `OUT_DIR` is not set.
    NoOutDir,
    /// A file could not be read or written.
    Io(PathBuf, io::Error),
}

impl CrunchError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Io(path.into(), error)
    }
}

impl fmt::Display for CrunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDirectory(path) => {
                write!(f, "{} is not a directory: make it, or name the one to compile in", path.display())
            }
            Self::Name(path, error) => write!(f, "{} needs another name: {error}", path.display()),
            Self::NotUnicode(path) => write!(f, "{} needs another name: this one is not Unicode", path.display()),
            Self::Outside { link, target } => write!(
                f,
                "{} is a link to {}, outside of the directory: put a copy in its place, or remove it",
                link.display(),
                target.display()
            ),
            Self::Loop(link) => write!(f, "{} is a link to a directory that it is in: remove it", link.display()),
            Self::Special(path) => {
                write!(f, "{} is neither a file nor a directory: remove it, or move it elsewhere", path.display())
            }
            Self::Epoch(text) => {
                write!(f, "SOURCE_DATE_EPOCH is {text:?}: set it to whole seconds since 1970, or not at all")
            }
            Self::NoOutDir => write!(f, "OUT_DIR is not set: call this from a build script"),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl Error for CrunchError {}
