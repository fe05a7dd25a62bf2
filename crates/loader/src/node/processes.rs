//! Processes by pid, by name, and by the CPU time that they use.

use std::time::Duration;

use napi::Task;
use napi::bindgen_prelude::{AsyncTask, Env};
use napi_derive::napi;

use crate::kernel::pid_namespace::require_own_proc;
// By its name in JavaScript, as in `sample.rs`.
use crate::sample::Target as BindingTarget;
use crate::targets::{process, search};

pub struct InspectTask(u32);

impl Task for InspectTask {
    type Output = BindingTarget;
    type JsValue = BindingTarget;

    fn compute(&mut self) -> napi::Result<BindingTarget> {
        require_own_proc()?;
        Ok(process::inspect(self.0)?)
    }

    fn resolve(&mut self, _: Env, target: BindingTarget) -> napi::Result<BindingTarget> {
        Ok(target)
    }
}

/// The process with this pid; rejects if there is none that can be monitored.
#[napi(ts_return_type = "Promise<BindingTarget>")]
pub fn inspect_process(pid: u32) -> AsyncTask<InspectTask> {
    AsyncTask::new(InspectTask(pid))
}

pub struct FindTask(String);

impl Task for FindTask {
    type Output = Vec<BindingTarget>;
    type JsValue = Vec<BindingTarget>;

    fn compute(&mut self) -> napi::Result<Vec<BindingTarget>> {
        require_own_proc()?;
        Ok(search::find(&self.0)?)
    }

    fn resolve(&mut self, _: Env, found: Vec<BindingTarget>) -> napi::Result<Vec<BindingTarget>> {
        Ok(found)
    }
}

/// User processes, this one left out, whose name, or whose executable's or first argument's base name, equals `name`.
#[napi(ts_return_type = "Promise<Array<BindingTarget>>")]
pub fn find_processes(name: String) -> AsyncTask<FindTask> {
    AsyncTask::new(FindTask(name))
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
