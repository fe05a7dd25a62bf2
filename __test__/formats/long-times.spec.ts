/** Times of several threads together pass what a number holds exactly. */
import test from 'ava';
import { formatReport } from '../../src/formats/index.js';
import { buildReport } from '../../src/options/report.js';
import { toSample } from '../../src/report/sample.js';
import { emptyBudget, rawOffCpu, rawSample, rawSyscall, rawTarget, rawThread } from '../helpers/raw.js';

const days30 = 30 * 24 * 60 * 60 * 1e9;
const tids = [100, 101, 102, 103];

function reportOf(over: Parameters<typeof rawSample>[0]) {
  return buildReport(
    { targets: [rawTarget(100, 'main')], options: { pid: 100 } },
    [toSample(rawSample(over), 0)],
    {
      offCpu: 1,
    },
  );
}

test('a budget of thirty days of four threads adds up, and blocked time is all attributed', (t) => {
  const threads = [0, 1, 2, 0].map((more, index) => {
    const ns = days30 + more;
    return rawThread({
      tid: 100 + index,
      syscalls: [
        rawSyscall('futex', 202, { totalNs: days30 - 1, blockedNs: days30 - 1 }),
        rawSyscall('read', 0, { totalNs: more + 1, blockedNs: more + 1 }),
      ],
      budget: { ...emptyBudget, wallNs: ns, blockedNs: ns },
    });
  });
  const text = formatReport(reportOf({ threads }), 'text');
  t.regex(text, /TOTAL \(4 threads\): +10,368,000,000,000,003 /);
  t.regex(text, /blocked: futex +10,367,999,999,999,996 /);
  t.notRegex(text, /blocked: not known/);
});

const sleep = (tid: number, totalNs: number) =>
  rawOffCpu({ tid, comm: 'w', count: 1, totalNs, maxNs: totalNs });

test('time by stack of four threads is exact', (t) => {
  const offCpu = [...tids.map((tid) => sleep(tid, days30)), sleep(104, 1), sleep(105, 2)];
  const text = formatReport(reportOf({ offCpu }), 'folded');
  t.regex(text, / 10368000000000003\n$/);
});

test('what --off-cpu N leaves out is exact', (t) => {
  // The longest of each thread is shown, the others are summed up.
  const offCpu = tids.flatMap((tid) => [sleep(tid, days30 + 1), sleep(tid, days30)]);
  const text = formatReport(reportOf({ offCpu: [...offCpu, sleep(tids[0] ?? 0, 1)] }), 'text');
  t.regex(text, /\(5 more stacks: 10,368,000,000,000,001 ns;/);
});
