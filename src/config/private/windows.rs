//! By access list: this user and the system may do everything, nobody else anything, and nothing is handed down by the
//! directory above.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::path::Path;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, GENERIC_ALL, GENERIC_READ, GENERIC_WRITE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1,
    SE_FILE_OBJECT, SetSecurityInfo,
};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACL, DACL_SECURITY_INFORMATION, GetAce, GetSecurityDescriptorDacl, GetTokenInformation,
    INHERIT_ONLY_ACE, PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID, SECURITY_ATTRIBUTES,
    TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateDirectoryW, DELETE, FILE_APPEND_DATA, FILE_READ_DATA, FILE_WRITE_DATA, WRITE_DAC, WRITE_OWNER,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Who may see everything anyway: the system and its administrators.
const ABOVE: [&str; 2] = ["S-1-5-18", "S-1-5-32-544"];
/// The type of an entry that allows something.
const ALLOWS: u8 = 0;
/// What lets somebody read or change a file.
const TOUCHES: u32 = FILE_READ_DATA
    | FILE_WRITE_DATA
    | FILE_APPEND_DATA
    | DELETE
    | WRITE_DAC
    | WRITE_OWNER
    | GENERIC_ALL
    | GENERIC_READ
    | GENERIC_WRITE;

/// How a file in a directory of [`make_dir`] is opened: for nothing yet. If it is made, the directory hands down its
/// list.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn options() -> OpenOptions {
    OpenOptions::new()
}

/// Makes a file, for writing, that must not be there yet, in any directory. Until it is closed nobody else opens it, so
/// that nobody has opened it before it has its list.
pub fn new_file(path: &Path) -> io::Result<File> {
    let access = GENERIC_WRITE | WRITE_DAC;
    let file = options().write(true).access_mode(access).share_mode(0).create_new(true).open(path)?;
    protect(&file)?;
    Ok(file)
}

/// Makes a directory that nobody else can enter, with its parents; one that is there stays as it is.
pub fn make_dir(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    match make_one(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// What others may do with an open file that is meant for one user, and how to forbid it.
pub fn others(file: &File) -> io::Result<Option<String>> {
    let stranger = strangers(file)?;
    Ok(stranger.map(|who| {
        format!("{who} can read or change it, too; run icacls FILE /inheritance:r /grant:r \"%USERNAME%:F\" on it")
    }))
}

/// Makes what was renamed in a directory last: the system sees to that.
pub fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Memory of the system's, with a descriptor or a text in it.
struct Local<T>(*mut T);

impl<T> Drop for Local<T> {
    #[expect(unsafe_code, reason = "the standard library does not free it")]
    fn drop(&mut self) {
        // SAFETY: the system handed it out for us to free, and nobody else has it.
        unsafe { LocalFree(self.0.cast()) };
    }
}

fn check(done: windows_sys::core::BOOL) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn wide(text: impl AsRef<std::ffi::OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// For this user and the system; `flags` say what inherits it.
#[expect(unsafe_code, reason = "the standard library has no access lists")]
fn ours_alone(flags: &str) -> io::Result<Local<core::ffi::c_void>> {
    let text = wide(format!("D:P(A;{flags};FA;;;{})(A;{flags};FA;;;SY)", own_id()?));
    let mut descriptor: PSECURITY_DESCRIPTOR = null_mut();
    // SAFETY: a text that ends with a zero, and a place for the answer.
    check(unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor,
            null_mut(),
        )
    })?;
    Ok(Local(descriptor))
}

#[expect(unsafe_code, reason = "the standard library makes no directory with an access list")]
fn make_one(path: &Path) -> io::Result<()> {
    let descriptor = ours_alone("OICI")?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    // SAFETY: a path that ends with a zero, and attributes whose descriptor is alive.
    check(unsafe { CreateDirectoryW(wide(path).as_ptr(), &raw const attributes) })
}

#[expect(unsafe_code, reason = "the standard library has no access lists")]
fn protect(file: &File) -> io::Result<()> {
    let descriptor = ours_alone("")?;
    let (mut present, mut defaulted, mut list) = (0, 0, null_mut::<ACL>());
    // SAFETY: a descriptor that is alive, and places for the answers, one of which is a part of it.
    check(unsafe { GetSecurityDescriptorDacl(descriptor.0, &raw mut present, &raw mut list, &raw mut defaulted) })?;
    let what = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    // SAFETY: an open file, and a list whose descriptor is alive.
    let failed =
        unsafe { SetSecurityInfo(file.as_raw_handle(), SE_FILE_OBJECT, what, null_mut(), null_mut(), list, null()) };
    result(failed)
}

fn result(failed: u32) -> io::Result<()> {
    if failed == ERROR_SUCCESS { Ok(()) } else { Err(io::Error::from_raw_os_error(failed.cast_signed())) }
}

/// This user's id, as `S-1-5-21-…`.
#[expect(unsafe_code, reason = "the standard library does not know users")]
fn own_id() -> io::Result<String> {
    let mut token = null_mut();
    // SAFETY: our own process, and a place for the answer.
    check(unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) })?;
    // SAFETY: it was just opened, and nobody else has it.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    // Room for the structure and the longest id, at an address that suits both.
    let mut room = [0_u64; 32];
    let (size, mut length) = (u32::try_from(size_of_val(&room)).unwrap_or(0), 0);
    // SAFETY: an open token, and room of the size that is told.
    check(unsafe {
        GetTokenInformation(token.as_raw_handle(), TokenUser, room.as_mut_ptr().cast(), size, &raw mut length)
    })?;
    // SAFETY: the call has put a `TOKEN_USER` there, whose id lies behind it.
    id_text(unsafe { (*room.as_ptr().cast::<TOKEN_USER>()).User.Sid })
}

#[expect(unsafe_code, reason = "the standard library does not know users")]
fn id_text(id: PSID) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: callers pass an id that is alive, and there is a place for the answer.
    check(unsafe { ConvertSidToStringSidW(id, &raw mut text) })?;
    let text = Local(text);
    let mut read = Vec::new();
    // SAFETY: the text ends with a zero, and is not read beyond it.
    while let unit @ 1.. = unsafe { *text.0.add(read.len()) } {
        read.push(unit);
    }
    Ok(String::from_utf16_lossy(&read))
}

/// The first who may touch a file and is neither this user nor above all users.
#[expect(unsafe_code, reason = "the standard library has no access lists")]
fn strangers(file: &File) -> io::Result<Option<String>> {
    let (mut list, mut descriptor) = (null_mut::<ACL>(), null_mut());
    let what = DACL_SECURITY_INFORMATION;
    // SAFETY: an open file, and places for the answers, the first of which is a part of the second.
    result(unsafe {
        GetSecurityInfo(
            file.as_raw_handle(),
            SE_FILE_OBJECT,
            what,
            null_mut(),
            null_mut(),
            &raw mut list,
            null_mut(),
            &raw mut descriptor,
        )
    })?;
    let _descriptor = Local(descriptor);
    if list.is_null() {
        return Ok(Some("everybody".to_owned()));
    }
    let own = own_id()?;
    // SAFETY: the list is alive with its descriptor.
    for index in 0..u32::from(unsafe { (*list).AceCount }) {
        let mut entry = null_mut();
        // SAFETY: the list is alive, and there is a place for the answer, which is a part of it.
        check(unsafe { GetAce(list, index, &raw mut entry) })?;
        let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
        // SAFETY: every entry begins with this header.
        let header = unsafe { (*entry).Header };
        let counts = header.AceType == ALLOWS && u32::from(header.AceFlags) & INHERIT_ONLY_ACE == 0;
        // SAFETY: an entry of that type has the mask and, at its end, the id.
        if counts && unsafe { (*entry).Mask } & TOUCHES != 0 {
            // SAFETY: as above.
            let who = id_text(unsafe { (&raw mut (*entry).SidStart).cast() })?;
            if who != own && !ABOVE.contains(&who.as_str()) {
                return Ok(Some(who));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_private_directory_holds_is_ours_alone_and_what_lies_elsewhere_need_not_be() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("made").join("too");
        make_dir(&made).unwrap();
        make_dir(&made).unwrap();
        let file = options().write(true).read(true).create(true).truncate(false).open(made.join("log")).unwrap();
        assert_eq!(others(&file).unwrap(), None);
        assert!(own_id().unwrap().starts_with("S-1-"));
    }

    #[test]
    fn a_file_that_somebody_else_may_read_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        drop(new_file(&path).unwrap());
        let is_private = || others(&File::open(&path).unwrap()).unwrap().is_none();
        assert!(is_private());
        let everybody = std::process::Command::new("icacls").arg(&path).args(["/grant", "*S-1-1-0:R"]).output();
        if everybody.is_ok_and(|output| output.status.success()) {
            assert!(!is_private());
        }
    }
}
