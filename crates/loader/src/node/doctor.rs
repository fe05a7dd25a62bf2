//! What `kdelay doctor` asks for.

use napi::Task;
use napi::bindgen_prelude::{AsyncTask, Env};
use napi_derive::napi;

use crate::doctor::check::Check;
use crate::doctor::diagnosis;

#[napi(object, use_nullable = true)]
pub struct BindingCheck {
    pub name: String,
    #[napi(ts_type = "'ok' | 'degraded' | 'failed'")]
    pub status: String,
    pub detail: String,
    /// What to do; null when all is well.
    pub hint: Option<String>,
}

#[napi(object, use_nullable = true)]
pub struct BindingDiagnosis {
    /// A capture will work.
    pub capable: bool,
    pub kernel: String,
    pub arch: String,
    pub checks: Vec<BindingCheck>,
}

pub struct DoctorTask;

impl Task for DoctorTask {
    type Output = diagnosis::Diagnosis;
    type JsValue = BindingDiagnosis;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(diagnosis::diagnose())
    }

    fn resolve(&mut self, _: Env, diagnosis: Self::Output) -> napi::Result<Self::JsValue> {
        let check = |check: Check| BindingCheck {
            name: check.name,
            status: check.status.name().to_owned(),
            detail: check.detail,
            hint: check.hint,
        };
        Ok(BindingDiagnosis {
            capable: diagnosis.capable,
            kernel: diagnosis.kernel,
            arch: diagnosis.arch,
            checks: diagnosis.checks.into_iter().map(check).collect(),
        })
    }
}

/// Tries every probe on this kernel, and lets go.
#[napi(ts_return_type = "Promise<BindingDiagnosis>")]
pub fn doctor() -> AsyncTask<DoctorTask> {
    AsyncTask::new(DoctorTask)
}
