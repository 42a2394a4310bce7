//! Directories of every sort, made in a folder of their own, compiled in.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

use mirage_crunch::{CrunchError, generate};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const EPOCH: Option<Duration> = Some(Duration::from_secs(1_386_547_200));

/// An empty folder for one test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("in")).unwrap();
    fs::create_dir_all(folder.join("out")).unwrap();
    folder
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn run(folder: &Path) -> Result<Vec<PathBuf>, CrunchError> {
    generate(&folder.join("in"), &folder.join("out"), "site", EPOCH)
}

/// The generated table's keys, in its order.
fn keys(folder: &Path) -> Vec<String> {
    let source = fs::read_to_string(folder.join("out/site.rs")).unwrap();
    let keys = source.lines().filter_map(|line| line.trim().strip_prefix("key: \""));
    keys.map(|key| key.strip_suffix("\",").unwrap().to_owned()).collect()
}

/// All that was generated.
fn output(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = ["out", "out/site.files"].into_iter().flat_map(|part| fs::read_dir(folder.join(part)).unwrap());
    let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.strip_prefix(folder).unwrap().display().to_string(), fs::read(&path).unwrap())).collect()
}

#[test]
fn the_same_names_and_contents_give_the_same_output() {
    let files = [("a-b", "1"), ("a/c", "2"), ("a/b/c", "3"), ("Z", "4"), (".hidden", "5"), ("é \"'\\", "6")];
    let (one, other) = (folder("same-one"), folder("same-other"));
    files.iter().for_each(|(name, content)| write(&one.join("in").join(name), content));
    files.iter().rev().for_each(|(name, content)| write(&other.join("in").join(name), content));
    fs::File::open(one.join("in/Z")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(run(&one).unwrap().is_empty());
    run(&other).unwrap();
    assert_eq!(output(&one), output(&other));
    assert_eq!(keys(&one), [".hidden", "Z", "a-b", "a/b/c", "a/c", r#"é \"'\\"#]);
    assert_eq!(fs::read_to_string(one.join("out/site.files/3")).unwrap(), "3");
}

#[test]
fn a_second_run_leaves_nothing_of_the_first() {
    let folder = folder("again");
    write(&folder.join("in/a"), "old");
    write(&folder.join("in/b"), "gone");
    run(&folder).unwrap();
    write(&folder.join("in/a"), "new");
    fs::remove_file(folder.join("in/b")).unwrap();
    run(&folder).unwrap();
    assert_eq!(keys(&folder), ["a"]);
    assert_eq!(output(&folder).keys().collect::<Vec<_>>(), ["out/site.files/0", "out/site.rs"]);
    assert_eq!(fs::read_to_string(folder.join("out/site.files/0")).unwrap(), "new");
}

#[test]
fn an_empty_directory_gives_an_empty_table() {
    let folder = folder("empty");
    fs::create_dir_all(folder.join("in/nothing/in/here")).unwrap();
    run(&folder).unwrap();
    assert!(keys(&folder).is_empty());
}

#[test]
fn dates_are_those_of_the_files_unless_one_is_given_for_all() {
    let folder = folder("dates");
    let file = folder.join("in/a");
    write(&file, "");
    let source = |epoch| {
        generate(&folder.join("in"), &folder.join("out"), "site", epoch).unwrap();
        fs::read_to_string(folder.join("out/site.rs")).unwrap()
    };
    let date = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_999);
    fs::File::options().write(true).open(&file).unwrap().set_modified(date).unwrap();
    assert!(source(None).contains("from_secs(1000000)"));
    assert!(source(EPOCH).contains("from_secs(1386547200)"));
    let date = SystemTime::UNIX_EPOCH - Duration::from_secs(10);
    fs::File::options().write(true).open(&file).unwrap().set_modified(date).unwrap();
    assert!(source(None).contains("from_secs(0)"));
}

#[test]
fn what_is_no_directory_is_an_error() {
    let folder = folder("none");
    fs::remove_dir(folder.join("in")).unwrap();
    for _ in 0..2 {
        let error = run(&folder).unwrap_err();
        assert!(matches!(&error, CrunchError::NoDirectory(path) if path.ends_with("in")), "{error}");
        // The second time it is a file.
        write(&folder.join("in"), "");
    }
}

#[test]
fn names_that_are_no_keys_are_errors() {
    let folder = folder("names");
    let deep = folder.join("in").join(vec!["d".repeat(200); 5].join("/"));
    let bad = [folder.join("in/a\nb"), deep.join("e".repeat(30))];
    for path in bad {
        write(&path, "");
        let error = run(&folder).unwrap_err();
        assert!(matches!(&error, CrunchError::Name(named, _) if *named == path), "{error}");
        fs::remove_file(&path).unwrap();
        run(&folder).unwrap();
    }
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::symlink;

    // Elsewhere the file system may refuse such a name itself.
    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_unicode_are_errors() {
        use std::os::unix::ffi::OsStrExt;
        let folder = folder("bytes");
        write(&folder.join("in").join(std::ffi::OsStr::from_bytes(b"\xff")), "");
        assert!(matches!(run(&folder), Err(CrunchError::NotUnicode(_))));
    }

    #[test]
    fn links_are_followed_inside_the_directory() {
        let folder = folder("links");
        write(&folder.join("in/real/a"), "content");
        symlink("real/a", folder.join("in/file")).unwrap();
        symlink("real", folder.join("in/directory")).unwrap();
        let mut linked = run(&folder).unwrap();
        linked.sort();
        let real = fs::canonicalize(folder.join("in/real")).unwrap();
        assert_eq!(linked, [real.clone(), real.join("a")]);
        assert_eq!(keys(&folder), ["directory/a", "file", "real/a"]);
        assert_eq!(fs::read_to_string(folder.join("out/site.files/1")).unwrap(), "content");
    }

    #[test]
    fn the_directory_itself_may_be_a_link() {
        let folder = folder("linked-root");
        write(&folder.join("in/a"), "");
        symlink("in", folder.join("link")).unwrap();
        generate(&folder.join("link"), &folder.join("out"), "site", EPOCH).unwrap();
        assert_eq!(keys(&folder), ["a"]);
    }

    #[test]
    fn links_out_of_the_directory_are_errors() {
        let folder = folder("outside");
        write(&folder.join("secret"), "");
        // Its name begins like that of the directory.
        write(&folder.join("in-side/secret"), "");
        for target in ["../secret", "../in-side", ".."] {
            let link = folder.join("in/link");
            symlink(target, &link).unwrap();
            let error = run(&folder).unwrap_err();
            assert!(matches!(&error, CrunchError::Outside { link: named, .. } if *named == link), "{error}");
            fs::remove_file(&link).unwrap();
        }
    }

    #[test]
    fn links_in_circles_and_to_nowhere_are_errors() {
        let folder = folder("circles");
        let (a, b) = (folder.join("in/a"), folder.join("in/b"));
        write(&a.join("file"), "");
        write(&b.join("file"), "");
        symlink("..", a.join("up")).unwrap();
        assert!(matches!(run(&folder), Err(CrunchError::Loop(_))));
        fs::remove_file(a.join("up")).unwrap();

        symlink("../b", a.join("other")).unwrap();
        symlink("../a", b.join("other")).unwrap();
        assert!(matches!(run(&folder), Err(CrunchError::Loop(_))));
        fs::remove_file(b.join("other")).unwrap();
        run(&folder).unwrap();

        for target in ["nowhere", "link"] {
            let link = folder.join("in/link");
            symlink(target, &link).unwrap();
            assert!(matches!(run(&folder), Err(CrunchError::Io(path, _)) if path == link));
            fs::remove_file(link).unwrap();
        }
    }

    #[test]
    fn what_is_neither_file_nor_directory_is_an_error() {
        let folder = folder("special");
        let made = Command::new("mkfifo").arg(folder.join("in/pipe")).status().unwrap();
        assert!(made.success());
        assert!(matches!(run(&folder), Err(CrunchError::Special(_))));
    }
}

/// Stands for a build script: `crunch` reads the environment and writes to Cargo, so it gets a process of its own.
#[test]
fn child() {
    if let Some(directory) = std::env::var_os("CRUNCH_TEST_DIRECTORY") {
        mirage_crunch::crunch(directory, "site");
    }
}

/// What a build script in this environment would say to Cargo.
fn said(directory: &Path, environment: &[(&str, &Path)]) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env_remove("OUT_DIR").env_remove("SOURCE_DATE_EPOCH");
    let output = command.env("CRUNCH_TEST_DIRECTORY", directory).envs(environment.iter().copied()).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    // The harness may begin the line.
    text.lines().filter_map(|line| Some(line[line.find("cargo::")?..].to_owned())).collect()
}

#[test]
fn a_build_script_says_what_to_watch_and_what_is_wrong() {
    let folder = folder("script");
    let (directory, out) = (folder.join("in"), folder.join("out"));
    write(&directory.join("a"), "");
    let watched = [
        "cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH".to_owned(),
        format!("cargo::rerun-if-changed={}", directory.display()),
    ];
    assert_eq!(said(&directory, &[("OUT_DIR", &out), ("SOURCE_DATE_EPOCH", Path::new("77"))]), watched);
    assert!(fs::read_to_string(out.join("site.rs")).unwrap().contains("from_secs(77)"));

    let error = "cargo::error=SOURCE_DATE_EPOCH is \"today\": set it to whole seconds since 1970, or not at all";
    assert_eq!(said(&directory, &[("OUT_DIR", &out), ("SOURCE_DATE_EPOCH", Path::new("today"))])[2], error);

    assert_eq!(said(&directory, &[])[2], "cargo::error=OUT_DIR is not set: call this from a build script");

    write(&directory.join("a\nb"), "");
    let error = said(&directory, &[("OUT_DIR", &out)]).remove(2);
    assert!(error.starts_with("cargo::error=") && error.contains("a b needs another name: "), "{error}");
}
