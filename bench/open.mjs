// What start-up.ts times: from the start of Node to attached probes. Plain JavaScript, so that nothing else is loaded.
import { CaptureSession } from '../dist/index.js';

const loaded = performance.now();
const session = await CaptureSession.open({ pid: Number(process.argv[2]) });
console.log(`attached ${performance.now() - loaded}`);
process.stdin.resume().on('end', () => session.close());
