//! Single system calls, and stacks.

/// A time off the CPU inside of a call.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingCallWait")
)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallWait {
    pub off_cpu_ns: i64,
    /// It did not sleep: another thread took the CPU.
    pub preempted: bool,
}

/// A system call that began and ended inside the window.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(
        object,
        object_from_js = false,
        use_nullable = true,
        js_name = "BindingSyscallEvent"
    )
)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyscallEvent {
    /// `CLOCK_MONOTONIC`.
    pub entry_ns: u64,
    pub exit_ns: u64,
    pub duration_ns: i64,
    pub pid: u32,
    pub tid: u32,
    /// The thread's name as the call ended.
    pub comm: String,
    pub name: String,
    pub number: u32,
    #[cfg_attr(
        feature = "node",
        napi(ts_type = "'native' | 'ia32' | 'x32' | 'arm32'")
    )]
    pub abi: String,
    /// Six, hexadecimal, of which the call may use fewer; null: the call replaced the registers that held them.
    pub arguments: Option<Vec<String>>,
    /// Decimal.
    pub result: String,
    /// The error's name; null: none, or one without a name.
    pub errno: Option<String>,
    /// The longest time off the CPU; null: none that was worth noting, or none was looked for.
    pub wait: Option<CallWait>,
    /// Where it was then: an index into the sample's `stacks`.
    pub kernel_stack: Option<u32>,
    /// Who made the call: an index into the sample's `stacks`; null: unknown.
    pub user_stack: Option<u32>,
    #[cfg_attr(
        feature = "node",
        napi(
            ts_type = "'complete' | 'cut' | 'no unwind information' | 'no frame pointer' | 'invalid' | 'too deep' | 'too costly'"
        )
    )]
    pub user_stack_end: Option<String>,
}

/// Time that a thread was blocked with one stack: the times that began and ended inside the window.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingOffCpu")
)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffCpu {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
    pub count: i64,
    pub total_ns: i64,
    pub max_ns: i64,
    /// Indices into the sample's `stacks`; null: unknown.
    pub kernel_stack: Option<u32>,
    pub user_stack: Option<u32>,
    #[cfg_attr(
        feature = "node",
        napi(
            ts_type = "'complete' | 'cut' | 'no unwind information' | 'no frame pointer' | 'invalid' | 'too deep' | 'too costly'"
        )
    )]
    pub user_stack_end: Option<String>,
}

/// A function on a stack. What is unknown is null.
#[cfg_attr(
    feature = "node",
    napi_derive::napi(object, use_nullable = true, js_name = "BindingFrame")
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Hexadecimal: where it goes on when what it called returns.
    pub address: String,
    pub symbol: Option<String>,
    /// Of the address, from the function's start; of an inlined one from the start of the function that holds it.
    pub offset: Option<i64>,
    /// As the process sees the file; `[vdso]`; of the kernel `[kernel]`, or its module in brackets.
    pub module: Option<String>,
    /// The address as the module's symbol table has it.
    pub module_address: Option<String>,
    pub build_id: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub inlined: bool,
}
