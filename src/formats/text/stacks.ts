/** How a stack is printed. */
import { escapeText } from '../../escape.js';
import type { Frame, SyscallEvent } from '../../report/types.js';

/** Why callers are missing, if they are. */
export function endLines(end: SyscallEvent['userStackEnd']): string[] {
  return end === null || end === 'complete' ? [] : [`      [${endings[end]}]`];
}

const endings = {
  cut: 'cut: the copy of the stack ends here',
  'no unwind information': 'cut: no unwind information',
  'no frame pointer': 'cut: no frame pointer leads on',
  invalid: 'cut: the stack makes no sense from here on',
  'too deep': 'cut: too many frames',
  'too costly': 'cut: to find the caller takes too much',
} as const;

/** A frame: function, module, source. Without a name, what one needs to find it elsewhere. */
export function frameLine({
  address,
  symbol,
  offset,
  module,
  moduleAddress,
  buildId,
  file,
  line,
  inlined,
}: Frame): string {
  const place = module === null ? '' : ` [${escapeText(baseName(module))}]`;
  if (symbol === null) {
    if (module === null) return `      [unknown] ${address}`;
    const id = buildId === null ? '' : ` (build id ${buildId})`;
    return `      [unknown] ${moduleAddress ?? address}${place}${id}`;
  }
  const where = inlined ? ' (inlined)' : `+0x${(offset ?? 0).toString(16)}`;
  const source = file === null ? '' : ` ${escapeText(file)}${line === null ? '' : `:${line}`}`;
  return `      ${escapeText(symbol)}${where}${place}${source}`;
}

/** Without brackets that are there already. */
function baseName(module: string): string {
  return /^\[.*\]$/.test(module) ? module.slice(1, -1) : module.slice(module.lastIndexOf('/') + 1);
}
