import test from 'ava';
import * as counts from '../../bench/counts.js';

test('syscount’s table is read, with latencies and with names that end in a digit', (t) => {
  const printed = `Tracing syscalls, printing top 100... Ctrl+C to quit.
[12:12:21]
SYSCALL                   COUNT        TIME (us)
getppid                  205056        46273.267
clone3                        1           43.643

`;
  t.deepEqual(counts.countsOfSyscount(printed), { getppid: 205_056, clone3: 1 });
});

test('strace’s table is read with and without errors, and without its sum', (t) => {
  const printed = `strace: Process 24642 attached
strace: Process 24642 detached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.68    0.005921           0      8960           getppid
  0.00    0.000000           0         7         4 prctl
------ ----------- ----------- --------- --------- ----------------
100.00    0.005940           0      8967         4 total
`;
  t.deepEqual(counts.countsOfStrace(printed), { getppid: 8960, prctl: 7 });
});

test('perf trace’s tables are added up over the threads', (t) => {
  const printed = ` Summary of events:

 load (24642), 52740 events, 50.0%

   syscall            calls  errors  total       min       avg       max       stddev
                                     (msec)    (msec)    (msec)    (msec)        (%)
   --------------- --------  ------ -------- --------- --------- ---------     ------
   getppid            26368      0    34.282     0.001     0.001     0.035      0.32%
   write                  1      0     0.266     0.266     0.266     0.266      0.00%

 load (24643), 52740 events, 50.0%

   syscall            calls  errors  total       min       avg       max       stddev
   getppid                2      1    34.282     0.001     0.001     0.035      0.32%
`;
  t.deepEqual(counts.countsOfPerfTrace(printed), { getppid: 26_370, write: 1 });
});

test('bpftrace’s map is added up over the threads, by number', (t) => {
  const printed = `attached

@calls[7, 110]: count 5, average 1, total 5
@calls[8, 110]: count 2, average 1, total 2
@calls[8, 0]: count 1, average 9, total 9
@start[8]: 1234
`;
  t.deepEqual(counts.countsOfBpftrace(printed), { '110': 7, '0': 1 });
});

test('runqlat’s histogram is added up', (t) => {
  const printed = `     usecs               : count    distribution
         0 -> 1          : 0        |                    |
        16 -> 31         : 2        |********            |
      2048 -> 4095       : 10       |********************|
`;
  t.is(counts.countOfHistogram(printed), 12);
});

test('what was counted beyond the calls that were made hides no loss', (t) => {
  t.is(counts.lostShare('it', { read: 90, write: 500 }, { read: 100, write: 100 }), 0.05);
  t.is(counts.lostShare('it', { read: 100 }, {}), 0);
});

test('to have counted none of the calls is an error', (t) => {
  t.throws(() => counts.lostShare('it', { write: 9 }, { read: 100 }), {
    message: 'it counted none of 100 calls (read)',
  });
});
