// SPDX-License-Identifier: MIT
//! The plugin's interface (plugin_v1.h) as Rust sees it: load it, call a verb, hear its events.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_void, CStr, CString};
use std::mem::{size_of, ManuallyDrop};
use std::path::Path;
use std::ptr;

use libloading::{Library, Symbol};
use torrust_tracker_deployer_sdk::CommandProgressListener;

const ABI_VERSION: u32 = 1;
pub const FAILURE_IS_WARNING: u32 = 2;

#[repr(C)]
struct RequestV1 {
    struct_size: u32,
    flags: u32,
    verb: *const c_char,
    environment: *const c_char,
    working_dir: *const c_char,
    options_json: *const c_char,
}

#[repr(C)]
struct HostV1 {
    struct_size: u32,
    abi_version: u32,
    user: *mut c_void,
    step_started: Option<extern "C" fn(*mut c_void, u32, u32, *const c_char)>,
    step_completed: Option<extern "C" fn(*mut c_void, u32, u32, *const c_char)>,
    progress: Option<extern "C" fn(*mut c_void, *const c_char, u64, u64)>,
    log: Option<extern "C" fn(*mut c_void, i32, *const c_char, *const c_char)>,
    cancelled: Option<extern "C" fn(*mut c_void) -> i32>,
}

#[repr(C)]
struct ErrorV1 {
    struct_size: u32,
    exit_status: i32,
    kind: i32,
    reserved: u32,
    code: [c_char; 32],
    step: [c_char; 64],
    message: [c_char; 1536],
    tip: [c_char; 512],
    help: [c_char; 1024],
}

type Run = extern "C" fn(*const RequestV1, *const HostV1, *mut c_char, u64, *mut u64, *mut ErrorV1) -> i32;

#[repr(C)]
struct PluginV1 {
    struct_size: u32,
    abi_version: u32,
    version: *const c_char,
    run: Run,
}

/// What the plugin said was wrong, in the words that the deployer uses for its own errors.
pub struct Failure {
    pub exit_status: i32,
    pub message: String,
    pub tip: String,
    pub help: String,
}

pub struct Plugin {
    table: &'static PluginV1,
}

fn text(pointer: *const c_char) -> String {
    // SAFETY: the header promises NUL-terminated text that outlives the call.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

extern "C" fn on_step_started(user: *mut c_void, number: u32, total: u32, title: *const c_char) {
    listener(user).on_step_started(number as usize, total as usize, &text(title));
}

extern "C" fn on_step_completed(user: *mut c_void, number: u32, _total: u32, title: *const c_char) {
    listener(user).on_step_completed(number as usize, &text(title));
}

extern "C" fn on_log(user: *mut c_void, level: i32, phase: *const c_char, message: *const c_char) {
    let line = format!("{}: {}", text(phase), text(message));
    if level <= 2 {
        listener(user).on_detail(&line)
    } else {
        listener(user).on_debug(&line)
    }
}

fn listener<'a>(user: *mut c_void) -> &'a dyn CommandProgressListener {
    // SAFETY: user is the &&dyn that call() keeps alive while the plugin runs, on the same thread.
    unsafe { *user.cast::<&dyn CommandProgressListener>() }
}

impl Plugin {
    /// Loads the plugin for the life of the process, and refuses one that speaks another version.
    pub fn load(path: &Path) -> Result<Self, String> {
        // SAFETY: the plugin has no constructors; its one symbol returns a constant table.
        unsafe {
            let library = ManuallyDrop::new(Library::new(path).map_err(|error| error.to_string())?);
            let get: Symbol<extern "C" fn() -> *const PluginV1> =
                library.get(b"tbk_plugin_get_v1\0").map_err(|error| error.to_string())?;
            let table = &*get();
            if table.abi_version != ABI_VERSION || (table.struct_size as usize) < size_of::<PluginV1>() {
                return Err(format!(
                    "it speaks interface version {}, this host {ABI_VERSION}",
                    table.abi_version
                ));
            }
            Ok(Self { table })
        }
    }

    pub fn version(&self) -> String {
        text(self.table.version)
    }

    /// Runs a verb; a failure comes back even where flags make it a warning for the exit status.
    pub fn call(
        &self,
        verb: &str,
        environment: &str,
        working_dir: &str,
        flags: u32,
        listener: &dyn CommandProgressListener,
    ) -> Result<(), Failure> {
        let words = [verb, environment, working_dir].map(|word| CString::new(word).expect("no NUL in arguments"));
        let request = RequestV1 {
            struct_size: size_of::<RequestV1>() as u32,
            flags,
            verb: words[0].as_ptr(),
            environment: words[1].as_ptr(),
            working_dir: words[2].as_ptr(),
            options_json: ptr::null(),
        };
        let host = HostV1 {
            struct_size: size_of::<HostV1>() as u32,
            abi_version: ABI_VERSION,
            user: ptr::from_ref(&listener).cast_mut().cast(),
            step_started: Some(on_step_started),
            step_completed: Some(on_step_completed),
            progress: None,
            log: Some(on_log),
            cancelled: None,
        };
        // SAFETY: plain integers and character arrays, for which zero is valid.
        let mut error: ErrorV1 = unsafe { std::mem::zeroed() };
        error.struct_size = size_of::<ErrorV1>() as u32;
        (self.table.run)(&request, &host, ptr::null_mut(), 0, ptr::null_mut(), &mut error);
        if error.exit_status == 0 {
            return Ok(());
        }
        Err(Failure {
            exit_status: error.exit_status,
            message: text(error.message.as_ptr()),
            tip: text(error.tip.as_ptr()),
            help: text(error.help.as_ptr()),
        })
    }
}
