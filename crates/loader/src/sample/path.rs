//! The critical path of a window.
//!
//! What is made of others comes behind them: napi takes what a field's type is called here for what it is called in JavaScript, unless it has met
//! the type before.

/// As of a chain.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingPathStep")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathStep {
    #[cfg_attr(
        feature = "node",
        napi(
            ts_type = "'running' | 'ready' | 'blocked' | 'stopped' | 'frozen' | 'turn' | 'idle' | 'interrupt' | 'unfinished' | 'unknown' | 'others'"
        )
    )]
    pub what: String,
    pub call: Option<String>,
    pub pid: u32,
    pub tid: u32,
    pub name: String,
    #[cfg_attr(feature = "node", napi(ts_type = "'waker' | 'exit' | 'parent' | null"))]
    pub by: Option<String>,
    pub by_call: Option<String>,
}

#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingPathSegment")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathSegment {
    /// Since the window's beginning.
    pub from_ns: i64,
    pub to_ns: i64,
    /// From the thread to what was going on.
    pub steps: Vec<PathStep>,
}

/// From the window's end back to its beginning: what the thread did, and what it waited for, so that it was over then and not before.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingCriticalPath")
)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CriticalPath {
    /// The thread in which the stop trigger fired, or the one that was asked for.
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
    /// From the window's beginning on, without gaps.
    pub segments: Vec<PathSegment>,
}
