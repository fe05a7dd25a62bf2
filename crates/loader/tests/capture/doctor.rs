//! What `kdelay doctor` finds on a kernel on which captures work.

use std::path::Path;

#[test]
fn the_doctor_finds_this_machine_capable_and_no_probe_falls_back() {
    let diagnosis = loader::doctor::diagnosis::diagnose();
    assert!(diagnosis.capable, "{diagnosis:#?}");
    let probes: Vec<_> = diagnosis
        .checks
        .iter()
        .filter(|check| check.name.starts_with("probe "))
        .collect();
    assert_eq!(probes.len(), 15);
    // tp_btf needs bpf_get_current_task_btf (Linux 5.11); where the kernel has it, a fallback is a defect of a program.
    let release: Vec<u32> = diagnosis
        .kernel
        .split(['.', '-'])
        .map_while(|part| part.parse().ok())
        .collect();
    if (release[0], release[1]) >= (5, 11) {
        for probe in probes {
            assert_eq!(probe.detail, "tp_btf", "{}", probe.name);
        }
    }
}

#[test]
fn the_doctor_tries_every_feature() {
    let diagnosis = loader::doctor::diagnosis::diagnose();
    let features: Vec<_> = diagnosis
        .checks
        .iter()
        .filter_map(|check| Some((check.name.strip_prefix("feature ")?, &*check.detail)))
        .collect();
    assert_eq!(features.len(), 11, "{features:#?}");
    for (name, detail) in features {
        let expected = match name {
            // What every kernel has that can capture.
            "raw_tp" | "uprobes" | "ref_ctr_offset" | "ring buffer" => Some(true),
            "kprobes" => Some(Path::new("/sys/bus/event_source/devices/kprobe").exists()),
            _ => None,
        };
        let has = detail == "yes";
        assert!(has || detail.starts_with("no: "), "{name}: {detail}");
        if let Some(expected) = expected {
            assert_eq!(has, expected, "{name}: {detail}");
        }
    }
}
