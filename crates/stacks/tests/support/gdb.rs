//! What gdb says of a thread, and names without what differs between the two.

use std::process::Command;

use super::run;

/// Of each frame, inlined ones included, innermost first. `??`: it has no name.
pub fn functions(pid: u32, thread: u32) -> Vec<String> {
    let mut gdb = Command::new("gdb");
    for setting in [
        "debuginfod enabled off",
        "auto-load no",
        "width 0",
        "print frame-arguments none",
        "print entry-values no",
        "python print-stack none",
    ] {
        gdb.args(["-iex", &format!("set {setting}")]);
    }
    let pid = pid.to_string();
    let text = run(gdb
        .args(["-nx", "-batch", "-p", &pid])
        .args(["-ex", "thread apply all bt"]));
    let head = format!("(LWP {thread})");
    let mut lines = text.lines().skip_while(|line| {
        let is_head = line.starts_with("Thread ") && line.contains(&head);
        // Without libpthread there are no threads for gdb.
        let is_only = line.starts_with("Thread ") && line.contains(&format!("process {thread}"));
        !is_head && !is_only
    });
    lines.next();
    let frames = lines.take_while(|line| line.starts_with('#'));
    let found: Vec<String> = frames.map(function).collect();
    assert!(!found.is_empty(), "{text}");
    found
}

/// `#1  0x0000 in name (...) at file:line`
fn function(line: &str) -> String {
    let (_, rest) = line.split_once(' ').unwrap();
    let rest = rest.trim_start();
    let rest = match rest.split_once(" in ") {
        Some((address, rest)) if address.starts_with("0x") => rest,
        _ => rest,
    };
    if rest.starts_with("<signal handler called>") {
        return "__restore_rt".to_owned();
    }
    let end = rest.find(" (...)").or_else(|| rest.find(" ()"));
    rest[..end.unwrap_or(rest.len())].to_owned()
}

/// Without parameters, template arguments, return types and glibc's marks of internal names.
pub fn plain(names: &[String]) -> Vec<String> {
    names.iter().map(|name| plain_name(name)).collect()
}

fn plain_name(name: &str) -> String {
    let name = name.replace("operator()", "operator_call").replace("(anonymous namespace)", "anonymous").replace("{lambda", "lambda");
    let mut plain = String::new();
    let mut depth = 0;
    for letter in name.replace("->", "").chars() {
        match letter {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    let plain = plain.trim_end_matches(" const").trim();
    let plain = plain.rsplit(' ').next().unwrap();
    let plain = plain.strip_prefix("__GI_").unwrap_or(plain);
    plain.trim_start_matches('_').to_owned()
}
