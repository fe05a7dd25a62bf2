/**
 * The floors of src/, from the top: what is on one imports from those below it alone, neither from above nor from its neighbours.
 * The one table of them; ARCHITECTURE.md has the same, with what each room is for. `npm run check:imports` refuses an import that
 * climbs, and any circle.
 */

/** Rooms: folders of src/, and the files that stand beside these. `src/cli.ts` is of the room `cli`. */
export const floors = [
  ['cli', 'index'],
  ['options', 'samples'],
  ['session', 'formats'],
  ['verdict', 'debuginfod'],
  ['report'],
  ['native'],
  ['errors', 'escape', 'package', 'units'],
  ['constants'],
];

/** Inside of the command line: what it consists of, from the top. The first has the files that are in no folder of it. */
const cliFloors = ['src/cli(?:\\.ts|/[^/]+\\.ts)$', 'src/cli/commands/', 'src/cli/terminal/'];

const inRooms = (rooms) => `^src/(?:${rooms.join('|')})(?:/|\\.ts$)`;

/** A rule for each room: what it may not import. */
const ofRooms = floors.flatMap((floor, index) =>
  floor.map((room) => ({
    name: `${room}-imports-only-from-below`,
    severity: 'error',
    from: { path: inRooms([room]) },
    to: {
      path: inRooms(
        floors
          .slice(0, index + 1)
          .flat()
          .filter((other) => other !== room),
      ),
    },
  })),
);

const insideOfCli = cliFloors.slice(1).map((floor, index) => ({
  name: 'cli-imports-only-from-below',
  severity: 'error',
  from: { path: `^${floor}` },
  to: { path: cliFloors.slice(0, index + 1).map((above) => `^${above}`) },
}));

export default {
  forbidden: [
    ...ofRooms,
    ...insideOfCli,
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'every-room-has-a-floor',
      severity: 'error',
      from: { path: '^src/', pathNot: inRooms(floors.flat()) },
      to: {},
    },
    { name: 'every-import-is-found', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    // Imports of types are arrows as well. TypeScript's own compiler has no interface that the tool could use.
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'default'] },
  },
};
