/** Warnings of what kept stacks or their names from being found. The text report and stderr both print them. */
import type { LossWarning } from './losses.js';

/** Nobody reads more of them. */
const most = 20;

const advice = 'docs/stacks.md says what stacks and names are found by.';
const permissionAdvice = 'docs/privileges.md says which capability that takes.';

/** A warning for each different line, and one for those beyond. */
export function problemWarnings(lines: readonly string[]): LossWarning[] {
  const different = [...new Set(lines)];
  const shown = different.slice(0, most);
  if (different.length > most) shown.push(`${different.length - most} more problems`);
  return shown.map((line) => ({
    what: `stacks: ${line}`,
    advice: /permission denied|not permitted|CAP_/i.test(line) ? permissionAdvice : advice,
  }));
}
