use crate::CrunchError;
use mirage_sig::Key;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// What is in a directory.
#[derive(Default)]
pub struct Tree {
    /// The files, where their keys' order puts them.
    pub files: BTreeMap<Key, PathBuf>,
    /// Where the links lead.
    pub linked: Vec<PathBuf>,
}

/// Finds all files in `directory`, at any depth.
pub fn walk(directory: &Path) -> Result<Tree, CrunchError> {
    if !directory.is_dir() {
        return Err(CrunchError::NoDirectory(directory.into()));
    }
    let root = fs::canonicalize(directory).map_err(CrunchError::io(directory))?;
    let mut walk = Walk { above: vec![root.clone()], root, tree: Tree::default() };
    walk.enter(directory, &Key::ROOT)?;
    Ok(walk.tree)
}

struct Walk {
    root: PathBuf,
    /// The directories that we are in, by their real paths.
    above: Vec<PathBuf>,
    tree: Tree,
}

impl Walk {
    fn enter(&mut self, directory: &Path, dictionary: &Key) -> Result<(), CrunchError> {
        for entry in fs::read_dir(directory).map_err(CrunchError::io(directory))? {
            let path = entry.map_err(CrunchError::io(directory))?.path();
            self.visit(&path, dictionary)?;
        }
        Ok(())
    }

    fn visit(&mut self, path: &Path, dictionary: &Key) -> Result<(), CrunchError> {
        let name =
            path.file_name().and_then(|name| name.to_str()).ok_or_else(|| CrunchError::NotUnicode(path.into()))?;
        let key = dictionary.join(name).map_err(|error| CrunchError::Name(path.into(), error))?;
        if path.is_symlink() {
            self.follow(path)?;
        }
        let kind = fs::metadata(path).map_err(CrunchError::io(path))?;
        if kind.is_dir() {
            let real = fs::canonicalize(path).map_err(CrunchError::io(path))?;
            if self.above.contains(&real) {
                return Err(CrunchError::Loop(path.into()));
            }
            self.above.push(real);
            self.enter(path, &key)?;
            self.above.pop();
        } else if kind.is_file() {
            self.tree.files.insert(key, path.into());
        } else {
            return Err(CrunchError::Special(path.into()));
        }
        Ok(())
    }

    fn follow(&mut self, link: &Path) -> Result<(), CrunchError> {
        let target = fs::canonicalize(link).map_err(CrunchError::io(link))?;
        if !target.starts_with(&self.root) {
            return Err(CrunchError::Outside { link: link.into(), target });
        }
        self.tree.linked.push(target);
        Ok(())
    }
}

/// When the file was last written, in whole seconds: what every file system, archive and copy keeps.
pub fn modified(path: &Path) -> Result<Duration, CrunchError> {
    let time = fs::metadata(path).and_then(|data| data.modified()).map_err(CrunchError::io(path))?;
    // What is older than 1970 has a broken date.
    Ok(Duration::from_secs(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()))
}
