// The tests of packages once more, with a Fortress server that runs and signs in the worker's place.
import { overFortressServer } from "./support.mjs";

overFortressServer();
await import("./packages.test.mjs");
