//! How a probe gets its two programs.

/// Both entry points of a probe: `tp_btf` as `<name>`, `raw_tp` as `<name>_raw`.
macro_rules! probe {
    ($tracepoint:literal, $btf:ident, $raw:ident, $run:path) => {
        #[aya_ebpf::macros::btf_tracepoint(function = $tracepoint)]
        pub fn $btf(ctx: aya_ebpf::programs::BtfTracePointContext) -> i32 {
            $run(&ctx);
            0
        }

        #[aya_ebpf::macros::raw_tracepoint(tracepoint = $tracepoint)]
        pub fn $raw(ctx: aya_ebpf::programs::RawTracePointContext) -> i32 {
            $run(&ctx);
            0
        }
    };
}
pub(crate) use probe;
