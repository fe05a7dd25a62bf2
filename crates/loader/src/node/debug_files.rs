//! What was fetched from a server, looked at before it is used.

use std::path::Path;

use napi::Task;
use napi::bindgen_prelude::{AsyncTask, Env};
use napi_derive::napi;
use probe_points::has_build_id;
use probe_points::open::open_file;

pub struct DebugFileTask {
    path: String,
    build_id: String,
}

impl Task for DebugFileTask {
    type Output = bool;
    type JsValue = bool;

    fn compute(&mut self) -> napi::Result<bool> {
        let digits = self.build_id.as_bytes().chunks(2);
        let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let Some(id) = bytes.collect::<Option<Vec<u8>>>() else {
            return Ok(false);
        };
        Ok(open_file(Path::new(&self.path)).is_ok_and(|file| has_build_id(&file, &id)))
    }

    fn resolve(&mut self, _: Env, is_it: bool) -> napi::Result<bool> {
        Ok(is_it)
    }
}

/// Whether it is an ELF file of that build id, which is in hexadecimal.
#[napi(ts_return_type = "Promise<boolean>")]
pub fn is_debug_file_of(path: String, build_id: String) -> AsyncTask<DebugFileTask> {
    AsyncTask::new(DebugFileTask { path, build_id })
}
