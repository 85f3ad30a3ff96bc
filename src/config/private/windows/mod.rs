//! By access list, which a file or directory is given when it is made: this user and the system may do everything,
//! nobody else anything, and nothing is handed down by the directory above.

mod list;

use std::fs::{self, File};
use std::io;
use std::path::Path;

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, FILE_GENERIC_WRITE, FILE_WRITE_DATA, OPEN_ALWAYS, OPEN_EXISTING,
};

use super::Meddler;

/// How a private file is opened: for nothing yet, and for this user alone if it is made.
pub fn options() -> Options {
    Options::default()
}

/// As the standard library's, which cannot give a new file its list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    access: u32,
    create: bool,
    create_new: bool,
    truncate: bool,
}

impl Options {
    /// For reading.
    pub fn read(&mut self, yes: bool) -> &mut Self {
        self.with(GENERIC_READ, yes)
    }

    /// For writing.
    pub fn write(&mut self, yes: bool) -> &mut Self {
        self.with(GENERIC_WRITE, yes)
    }

    /// For writing at the end alone.
    pub fn append(&mut self, yes: bool) -> &mut Self {
        self.with(FILE_GENERIC_WRITE & !FILE_WRITE_DATA, yes)
    }

    /// Made if it is not there.
    pub fn create(&mut self, yes: bool) -> &mut Self {
        self.create = yes;
        self
    }

    /// Made, and not there before.
    pub fn create_new(&mut self, yes: bool) -> &mut Self {
        self.create_new = yes;
        self
    }

    /// Emptied.
    pub fn truncate(&mut self, yes: bool) -> &mut Self {
        self.truncate = yes;
        self
    }

    /// Opens it. One that was made and cannot be kept from others is an error, and is gone.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        let how = match (self.create_new, self.create) {
            (true, _) => CREATE_NEW,
            (false, true) => OPEN_ALWAYS,
            (false, false) => OPEN_EXISTING,
        };
        let (file, made) = list::open_or_make(path, self.access, how, &list::ours_alone("")?)?;
        if made && let Err(error) = keeps_others_out(&file) {
            drop(file);
            let _ = fs::remove_file(path);
            return Err(error);
        }
        if self.truncate {
            file.set_len(0)?;
        }
        Ok(file)
    }

    fn with(&mut self, access: u32, yes: bool) -> &mut Self {
        self.access = if yes { self.access | access } else { self.access & !access };
        self
    }
}

/// Makes a file, for writing, that must not be there yet.
pub fn new_file(path: &Path) -> io::Result<File> {
    options().write(true).create_new(true).open(path)
}

/// Makes a file, for writing, that must not be there yet and takes the place of another: whoever may use files in its
/// directory may use it, because it would be lost to them.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn new_file_in_place(path: &Path) -> io::Result<File> {
    File::create_new(path)
}

/// Makes a directory that nobody else can enter, with its parents; one that is there stays as it is.
pub fn make_dir(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    match list::make_dir(path, &list::ours_alone("OICI")?) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => keeps_others_out(&list::look_at(path)?).inspect_err(|_| {
            let _ = fs::remove_dir(path);
        }),
    }
}

/// What others may do with an open file that is meant for one user, and how to forbid it.
pub fn others(file: &File) -> io::Result<Option<String>> {
    let stranger = list::stranger(file)?;
    Ok(stranger.map(|who| {
        format!("{who} can read or change it, too; run icacls FILE /inheritance:r /grant:r \"%USERNAME%:F\" on it")
    }))
}

/// Who else could change what stands at a path; `None`, too, where nothing stands there. Whoever can read it is one of
/// them, because a directory's list is that of what SQLite makes in it.
pub fn meddler(path: &Path) -> io::Result<Option<Meddler>> {
    let there = match list::look_at(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        there => there?,
    };
    if let Some(who) = list::strange_owner(&there)? {
        return Ok(Some(Meddler { why: format!("belongs to {who}"), mend: "choose another data dir" }));
    }
    let who = list::stranger(&there)?;
    let mend = "choose a data dir that is not there yet";
    Ok(who.map(|who| Meddler { why: format!("is open to others ({who})"), mend }))
}

/// The lists of their directories see to what others make, such as SQLite.
pub fn keep_all() {}

/// Makes what was renamed in a directory last: the system sees to that.
pub fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

/// A disk without access lists takes a list and forgets it.
fn keeps_others_out(made: &File) -> io::Result<()> {
    match list::stranger(made)? {
        None => Ok(()),
        Some(who) => Err(io::Error::other(format!(
            "cannot keep {who} out of it; choose a directory on a disk with access lists, as NTFS has them"
        ))),
    }
}

/// Makes a directory that everybody can enter and change.
#[cfg(test)]
pub fn make_open_dir(path: &Path) -> io::Result<()> {
    list::make_dir(path, &list::parse("D:P(A;OICI;FA;;;WD)")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYBODY: &str = "D:P(A;;FA;;;WD)";
    const EVERYBODY_READS: &str = "D:P(A;;FR;;;WD)(A;;FA;;;SY)";

    fn made_for(whom: &str, path: &Path) -> File {
        let (file, made) =
            list::open_or_make(path, GENERIC_READ | GENERIC_WRITE, CREATE_NEW, &list::parse(whom).unwrap()).unwrap();
        assert!(made);
        file
    }

    #[test]
    fn whatever_is_made_is_ours_alone_wherever_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("made").join("too");
        make_dir(&made).unwrap();
        make_dir(&made).unwrap();
        for dir in [dir.path(), made.as_path()] {
            let files = [
                options().write(true).read(true).create(true).truncate(false).open(dir.join("log")).unwrap(),
                options().append(true).create(true).open(dir.join("added")).unwrap(),
                new_file(&dir.join("new")).unwrap(),
            ];
            for file in files {
                assert_eq!(others(&file).unwrap(), None);
            }
        }
        assert_eq!(meddler(&made).unwrap(), None);
        assert_eq!(meddler(made.parent().unwrap()).unwrap(), None);
        assert_eq!(meddler(&dir.path().join("missing")).unwrap(), None);
    }

    #[test]
    fn a_file_that_somebody_else_may_touch_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        for (name, whom) in [("all", EVERYBODY), ("read", EVERYBODY_READS)] {
            let path = dir.path().join(name);
            let told = others(&made_for(whom, &path)).unwrap().unwrap();
            assert!(told.contains("S-1-1-0") && told.contains("icacls"), "{told}");
            // One that was there keeps its list.
            assert!(others(&options().write(true).create(true).open(&path).unwrap()).unwrap().is_some());
            assert!(new_file(&path).is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists));
        }
    }

    #[test]
    fn a_directory_that_is_open_to_others_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        for (name, whom) in [("all", "D:P(A;OICI;FA;;;WD)"), ("read", "D:P(A;OICI;FRFX;;;WD)(A;OICI;FA;;;SY)")] {
            let path = dir.path().join(name);
            list::make_dir(&path, &list::parse(whom).unwrap()).unwrap();
            assert_eq!(meddler(&path).unwrap().unwrap().why, "is open to others (S-1-1-0)");
        }
    }

    #[test]
    fn what_is_made_is_opened_as_it_was_asked() {
        use std::io::{Read as _, Write as _};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert!(options().read(true).open(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
        for word in ["one", "two"] {
            options().append(true).create(true).open(&path).unwrap().write_all(word.as_bytes()).unwrap();
        }
        let mut text = String::new();
        options().read(true).open(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "onetwo");
        assert!(options().read(true).open(&path).unwrap().write_all(b"x").is_err());
        options().write(true).truncate(true).open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().len(), 0);
    }
}
