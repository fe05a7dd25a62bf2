/** `kdelay complete SHELL`, the script that a shell reads once, and `kdelay complete -- …`, which it then asks for each answer. */
import { readdirSync, readFileSync } from 'node:fs';
import addTab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';

export function addCompletion(program: Command): void {
  const { commands } = addTab(program);
  for (const command of commands.values()) {
    // One line each: a second one would be an answer of its own.
    const summary = program.commands.find((candidate) => candidate.name() === command.value)?.summary();
    command.description = summary || command.description.replaceAll('\n', ' ');
    const pid = command.options.get('pid');
    if (pid !== undefined) {
      pid.handler = (complete) => {
        for (const process of processes()) complete(process.pid, process.comm);
      };
    }
    const name = command.options.get('name');
    if (name !== undefined) {
      name.handler = (complete) => {
        for (const comm of new Set(processes().map((process) => process.comm))) complete(comm, '');
      };
    }
  }
}

/** Their names are theirs to choose, and go to a shell: only plain ones do. */
const plain = /^[\w.:@/-]+$/;

function processes(): { pid: string; comm: string }[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const comm = readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd();
      return plain.test(comm) ? [{ pid, comm }] : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}
