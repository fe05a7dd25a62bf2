# Whether a report of `kdelay-oracle counts 500` has as many of each of its ten calls as the program says that it made:
# `jq --exit-status --slurpfile said SAID --from-file counts.jq REPORT`.
# As it begins, a thread waits on a futex, too.
([$said[] | select(.threads).threads[] | select(.name == "worker").syscalls][0] | del(.futex)) as $truth
| [.samples[].threads[] | select(.comm == "worker").syscalls[] | { (.name): .count }] | add as $counted
| ($truth | length) == 9 and ($truth | to_entries | all(.value == $counted[.key])) and $counted.futex >= 500
