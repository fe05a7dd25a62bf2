//! What gdb says of a thread, and names without what differs between the two.

use std::process::Command;

use super::{Folder, run};

/// Frames that tail calls have left are gdb's guess: there is nothing of them on the stack.
const SCRIPT: &str = r#"
import gdb
thread = [t for t in gdb.selected_inferior().threads() if t.ptid[1] in (0, THREAD)][0]
thread.switch()
frame = gdb.newest_frame()
while frame is not None:
    if frame.type() == gdb.SIGTRAMP_FRAME:
        print("FRAME TRAMPOLINE")
    elif frame.type() != gdb.TAILCALL_FRAME:
        print("FRAME", frame.name() or "??")
    frame = frame.older()
"#;

/// What a signal handler returns to: glibc's, or the kernel's in the vDSO.
pub const TRAMPOLINE: &str = if cfg!(target_arch = "aarch64") {
    "__kernel_rt_sigreturn"
} else {
    "__restore_rt"
};

/// Of each frame, inlined ones included, innermost first. `??`: it has no name.
pub fn functions(folder: &Folder, pid: u32, thread: u32) -> Vec<String> {
    let script = SCRIPT.replace("THREAD", &thread.to_string());
    let script = script.replace("TRAMPOLINE", TRAMPOLINE);
    let script = folder.write("frames.py", &script);
    let mut gdb = Command::new("gdb");
    for setting in [
        "debuginfod enabled off",
        "auto-load no",
        "backtrace past-main on",
        "backtrace past-entry on",
    ] {
        gdb.args(["-iex", &format!("set {setting}")]);
    }
    let pid = pid.to_string();
    let text = run(gdb.args(["-nx", "-batch", "-p", &pid, "-x"]).arg(script));
    let frames = text.lines().filter_map(|line| line.strip_prefix("FRAME "));
    let found: Vec<String> = frames.map(str::to_owned).collect();
    assert!(!found.is_empty(), "{text}");
    found
}

/// Without parameters, template arguments, return types and glibc's marks of internal names.
pub fn plain(names: &[String]) -> Vec<String> {
    names.iter().map(|name| plain_name(name)).collect()
}

fn plain_name(name: &str) -> String {
    let name = name
        .replace("operator()", "operator_call")
        .replace("->", "")
        .replace("::{shim:vtable#0}", "")
        .replace("(anonymous namespace)", "anonymous");
    let mut plain = String::new();
    let mut depth = 0;
    for letter in name.chars() {
        match letter {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    let plain = plain.trim_end_matches(" const").trim();
    let plain = plain.trim_end_matches("::");
    let plain = plain.rsplit(' ').next().unwrap();
    let plain = plain.strip_prefix("__GI_").unwrap_or(plain);
    let plain = plain.strip_suffix("_impl").unwrap_or(plain);
    plain.trim_start_matches('_').to_owned()
}
