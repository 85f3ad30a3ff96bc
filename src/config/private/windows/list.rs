//! Access lists, by the system's own calls.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::path::Path;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{
    ERROR_ALREADY_EXISTS, ERROR_SUCCESS, GENERIC_ALL, GENERIC_READ, GENERIC_WRITE, GetLastError, INVALID_HANDLE_VALUE,
    LocalFree, SetLastError,
};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1,
    SE_FILE_OBJECT,
};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACL, DACL_SECURITY_INFORMATION, GetAce, GetTokenInformation, INHERIT_ONLY_ACE,
    OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID, SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, CreateFileW, DELETE, FILE_APPEND_DATA, FILE_ATTRIBUTE_NORMAL,
    FILE_CREATION_DISPOSITION, FILE_DELETE_CHILD, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_DATA, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_WRITE_DATA, OPEN_EXISTING, READ_CONTROL,
    WRITE_DAC, WRITE_OWNER,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Who may see everything anyway, the system and its administrators, and whoever owns the file.
const ABOVE: [&str; 3] = ["S-1-5-18", "S-1-5-32-544", "S-1-3-4"];
/// The types of entries that allow something, without and with a condition.
const ALLOW: [u8; 2] = [0, 9];
/// What lets somebody read or change a file, or what is in a directory.
const TOUCHES: u32 = FILE_READ_DATA
    | FILE_WRITE_DATA
    | FILE_APPEND_DATA
    | FILE_DELETE_CHILD
    | DELETE
    | WRITE_DAC
    | WRITE_OWNER
    | GENERIC_ALL
    | GENERIC_READ
    | GENERIC_WRITE;

/// Memory of the system's, with a descriptor or a text in it.
pub(super) struct Local<T>(*mut T);

/// Who owns something, and who may do what with it.
pub(super) type Descriptor = Local<core::ffi::c_void>;

impl<T> Drop for Local<T> {
    #[expect(unsafe_code, reason = "the standard library does not free it")]
    fn drop(&mut self) {
        // SAFETY: the system handed it out for us to free, and nobody else has it.
        unsafe { LocalFree(self.0.cast()) };
    }
}

/// For this user and the system; `flags` say what inherits it.
pub(super) fn ours_alone(flags: &str) -> io::Result<Descriptor> {
    parse(&format!("D:P(A;{flags};FA;;;{})(A;{flags};FA;;;SY)", own_id()?))
}

/// From the system's own text for them.
#[expect(unsafe_code, reason = "the standard library has no access lists")]
pub(super) fn parse(text: &str) -> io::Result<Descriptor> {
    let text = wide(text);
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

/// Opens a file; if it is made, with this descriptor from the first moment. Also whether it was made.
pub(super) fn open_or_make(
    path: &Path,
    access: u32,
    how: FILE_CREATION_DISPOSITION,
    descriptor: &Descriptor,
) -> io::Result<(File, bool)> {
    // What is new is nothing that a link leads to.
    let link = if how == CREATE_NEW { FILE_FLAG_OPEN_REPARSE_POINT } else { 0 };
    let (file, was_there) = open(path, access, how, FILE_ATTRIBUTE_NORMAL | link, Some(descriptor))?;
    Ok((file, how != OPEN_EXISTING && !was_there))
}

/// Opens a file or directory to see its descriptor.
pub(super) fn look_at(path: &Path) -> io::Result<File> {
    open(path, READ_CONTROL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, None).map(|(file, _)| file)
}

/// Makes a directory, with this descriptor from the first moment.
#[expect(unsafe_code, reason = "the standard library makes no directory with an access list")]
pub(super) fn make_dir(path: &Path, descriptor: &Descriptor) -> io::Result<()> {
    let attributes = attributes(descriptor);
    // SAFETY: a path that ends with a zero, and attributes whose descriptor is alive.
    check(unsafe { CreateDirectoryW(wide(path).as_ptr(), &raw const attributes) })
}

#[expect(unsafe_code, reason = "the standard library makes no file with an access list")]
fn open(
    path: &Path,
    access: u32,
    how: FILE_CREATION_DISPOSITION,
    flags: u32,
    descriptor: Option<&Descriptor>,
) -> io::Result<(File, bool)> {
    let attributes = descriptor.map(attributes);
    let given = attributes.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    // SAFETY: a path that ends with a zero, and attributes, if any, whose descriptor is alive.
    let (handle, was_there) = unsafe {
        SetLastError(ERROR_SUCCESS);
        let handle = CreateFileW(wide(path).as_ptr(), access, shared, given, how, flags, null_mut());
        (handle, GetLastError() == ERROR_ALREADY_EXISTS)
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just opened, and nobody else has it.
    Ok((File::from(unsafe { OwnedHandle::from_raw_handle(handle) }), was_there))
}

fn attributes(descriptor: &Descriptor) -> SECURITY_ATTRIBUTES {
    SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    }
}

/// The first who may touch a file or directory and is neither this user nor above all users.
#[expect(unsafe_code, reason = "the standard library has no access lists")]
pub(super) fn stranger(file: &File) -> io::Result<Option<String>> {
    let (_descriptor, _, list) = security(file)?;
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
        let counts = ALLOW.contains(&header.AceType) && u32::from(header.AceFlags) & INHERIT_ONLY_ACE == 0;
        // SAFETY: an entry of those types has the mask and, at its end, the id.
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

/// Who owns a file or directory, if that is neither this user nor above all users: an owner can change its list.
pub(super) fn strange_owner(file: &File) -> io::Result<Option<String>> {
    let (_descriptor, owner, _) = security(file)?;
    let who = id_text(owner)?;
    Ok((who != own_id()? && !ABOVE.contains(&who.as_str())).then_some(who))
}

/// A descriptor, and the owner and the list in it.
#[expect(unsafe_code, reason = "the standard library has no access lists")]
fn security(file: &File) -> io::Result<(Descriptor, PSID, *mut ACL)> {
    let (mut owner, mut list, mut descriptor) = (null_mut(), null_mut::<ACL>(), null_mut());
    // SAFETY: an open file, and places for the answers, all of which are parts of the last.
    let failed = unsafe {
        GetSecurityInfo(
            file.as_raw_handle(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
            &raw mut owner,
            null_mut(),
            &raw mut list,
            null_mut(),
            &raw mut descriptor,
        )
    };
    if failed == ERROR_SUCCESS {
        Ok((Local(descriptor), owner, list))
    } else {
        Err(io::Error::from_raw_os_error(failed.cast_signed()))
    }
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

fn check(done: windows_sys::core::BOOL) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}
