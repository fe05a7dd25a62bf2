//! Processes by pid, by name, and by the CPU time that they use.

use std::time::Duration;

use napi::Task;
use napi::bindgen_prelude::{AsyncTask, Env};
use napi_derive::napi;

use crate::kernel::pid_namespace::require_own_proc;
// By its name in JavaScript, as in `sample.rs`.
use crate::sample::Target as BindingTarget;
use crate::targets::{process, search};

/// The process with this pid; throws if there is none that can be monitored.
#[napi]
pub fn inspect_process(pid: u32) -> napi::Result<BindingTarget> {
    require_own_proc()?;
    Ok(process::inspect(pid)?)
}

/// User processes, this one left out, whose name, or whose executable's or first argument's base name, equals `name`.
#[napi]
pub fn find_processes(name: String) -> napi::Result<Vec<BindingTarget>> {
    require_own_proc()?;
    Ok(search::find(&name)?)
}

#[napi(object, use_nullable = true)]
pub struct BindingBusyProcess {
    pub pid: u32,
    pub comm: String,
    /// Of one CPU.
    pub cpu_percent: f64,
}

pub struct BusyTask {
    interval: Duration,
    limit: usize,
}

impl Task for BusyTask {
    type Output = Vec<search::BusyProcess>;
    type JsValue = Vec<BindingBusyProcess>;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(search::busiest(self.interval, self.limit)?)
    }

    fn resolve(&mut self, _: Env, busy: Self::Output) -> napi::Result<Self::JsValue> {
        let binding = |busy: search::BusyProcess| BindingBusyProcess {
            pid: busy.pid,
            comm: busy.comm,
            cpu_percent: busy.cpu_percent,
        };
        Ok(busy.into_iter().map(binding).collect())
    }
}

/// The user processes, this one left out, that used the most CPU time over the interval, busiest first.
#[napi(ts_return_type = "Promise<Array<BindingBusyProcess>>")]
pub fn busy_processes(interval_ms: u32, limit: u32) -> AsyncTask<BusyTask> {
    AsyncTask::new(BusyTask {
        interval: Duration::from_millis(interval_ms.into()),
        limit: limit as usize,
    })
}
