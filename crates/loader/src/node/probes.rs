//! The list of what can be a trigger.

use napi::Task;
use napi::bindgen_prelude::{AsyncTask, Env};
use napi_derive::napi;

use crate::session::triggers;

/// What can be a trigger.
#[napi(object, use_nullable = true)]
pub struct BindingProbe {
    /// In the syntax that a session takes.
    pub trigger: String,
    #[napi(ts_type = "'usdt' | 'uprobe' | 'tracepoint' | 'kprobe'")]
    pub kind: String,
    /// The file that has it; null: the kernel, or several files.
    pub object: Option<String>,
    /// The name as people read it, where the trigger has it mangled, or an address.
    pub demangled: Option<String>,
    /// Places that it stands for.
    pub locations: u32,
    /// The program does part of the probe's work only while somebody listens.
    pub semaphore: bool,
}

#[napi(object)]
pub struct BindingProbes {
    pub probes: Vec<BindingProbe>,
    /// What could not be looked into, a line each.
    pub problems: Vec<String>,
}

pub struct ProbesTask {
    pid: Option<u32>,
    pattern: Option<String>,
}

impl Task for ProbesTask {
    type Output = probe_points::Listing;
    type JsValue = BindingProbes;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(triggers::list(self.pid, self.pattern.as_deref())?)
    }

    fn resolve(&mut self, _: Env, listing: Self::Output) -> napi::Result<Self::JsValue> {
        let probe = |entry: probe_points::Entry| BindingProbe {
            trigger: entry.trigger,
            kind: entry.kind.to_owned(),
            object: entry.object,
            demangled: entry.demangled,
            locations: entry.locations,
            semaphore: entry.semaphore,
        };
        Ok(BindingProbes {
            probes: listing.entries.into_iter().map(probe).collect(),
            problems: listing.problems,
        })
    }
}

/// What can be a trigger in the kernel and, with a pid, in that process. The pattern is a part of the trigger's text, or a
/// glob if it holds `*` or `?`.
#[napi(ts_return_type = "Promise<BindingProbes>")]
pub fn list_probes(pid: Option<u32>, pattern: Option<String>) -> AsyncTask<ProbesTask> {
    AsyncTask::new(ProbesTask { pid, pattern })
}
