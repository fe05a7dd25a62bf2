/** Conversions between what is measured and what people read. The only place that rounds. */

/** 1234567 → "1,234,567" */
export function thousands(value: number | bigint): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Share of the whole with two decimals, "12.34"; "-" if there is no whole. */
export function percent(part: number | bigint, whole: number | bigint): string {
  return Number(whole) === 0 ? '-' : ((Number(part) / Number(whole)) * 100).toFixed(2);
}

/** Exact, also where numbers would pass 2^53: 104 days, which several threads together reach in less. */
export function sumNs(times: Iterable<number>): bigint {
  let sum = 0n;
  for (const ns of times) sum += BigInt(ns);
  return sum;
}

/** Seconds to the nearest nanosecond. */
export function secondsToNs(seconds: number): bigint {
  return BigInt(Math.round(seconds * 1e9));
}

/** Nanoseconds since 1970 → "2026-11-24T03:58:11.123456789Z" */
export function isoTime(wallNs: bigint): string {
  const seconds = wallNs / 1_000_000_000n;
  const fraction = String(wallNs % 1_000_000_000n).padStart(9, '0');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, -'.000Z'.length)}.${fraction}Z`;
}

/** An isoTime() in the local time zone with microseconds, and in UTC: "2026-11-24T04:58:11.123456 (03:58:11 UTC)" */
export function localTime(iso: string): string {
  const [utc = '', fraction = ''] = iso.slice(0, -1).split('.');
  const date = new Date(`${utc}Z`);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day}T${time}.${fraction.slice(0, 6)} (${utc.slice(-8)} UTC)`;
}

/** Milliseconds as whole seconds, for progress: 12,345 ms → "12 s" */
export function wholeSeconds(milliseconds: number): string {
  return `${Math.floor(milliseconds / 1000)} s`;
}

/** To the nearest whole; of nothing 0. */
export function mean(total: number, count: number): number {
  return count === 0 ? 0 : Math.round(total / count);
}

/** As many places as there are, divided among parts as large as these; those whose remainders are largest get what rounding leaves. */
export function apportion(parts: readonly number[], places: number): number[] {
  const whole = parts.reduce((sum, part) => sum + part, 0);
  if (whole === 0) return parts.map(() => 0);
  const exact = parts.map((part) => (part / whole) * places);
  const assigned = exact.map(Math.floor);
  const left = places - assigned.reduce((sum, part) => sum + part, 0);
  const byRemainder = exact
    .map((part, index) => ({ index, remainder: part - Math.floor(part) }))
    .sort((a, b) => b.remainder - a.remainder);
  for (const { index } of byRemainder.slice(0, left)) assigned[index] = (assigned[index] ?? 0) + 1;
  return assigned;
}

/** In the unit that reads best, with three digits: "950 ns", "1.23 ms", "61.2 s". */
export function shortTime(ns: number): string {
  for (const [unit, size] of timeUnits) {
    const value = Number((ns / size).toPrecision(3));
    if (value < 1000 || unit === 's') return `${value} ${unit}`;
  }
  return `${ns} ns`;
}

const timeUnits = [
  ['ns', 1],
  ['us', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
] as const;

/** "12 %"; what is not nothing is never 0 %, what is not all never 100 %. */
export function wholePercent(part: number, whole: number): string {
  const share = whole === 0 ? 0 : (part / whole) * 100;
  if (part > 0 && share < 0.5) return 'under 1 %';
  if (part < whole && share >= 99.5) return 'over 99 %';
  return `${Math.round(share)} %`;
}

/** To the nearest whole, as it is read: "120,000". */
export function wholeNumber(value: number): string {
  return thousands(Math.round(value));
}
