// Rounds: everything measured in turn, again and again, so that ratios are taken within a round.
import { watchMachine } from "./cpu.mjs";
import { spread } from "./statistics.mjs";

/** Rounds are repeated for stolen CPU time at most this often, all in all. */
const MAX_REPEATS = 5;

/**
 * A step of a round.
 *
 * @typedef {object} Step
 * @property {string} name
 * @property {(seconds: number) => Promise<object>} measure for about so long
 */

export const say = (text) => process.stderr.write(`${text}\n`);

async function measureRound(round, steps, seconds, pids) {
  const noise = watchMachine(pids);
  const results = new Map();
  // Every other round backwards, so that none always follows the same one.
  for (const step of round % 2 ? [...steps].reverse() : steps) results.set(step, await step.measure(seconds));
  return { results, noise: noise() };
}

/**
 * Measures `options.rounds` rounds. The function `of` of the result gives the values of a step's field,
 * one for each round.
 *
 * @param {Step[]} steps
 * @param {{rounds: number, seconds: number, maxSteal: number}} options
 * @param {number[]} pids processes of the servers
 */
export async function measureRounds(steps, options, pids) {
  const rounds = [];
  let repeated = 0;
  while (rounds.length < options.rounds) {
    const round = await measureRound(rounds.length, steps, options.seconds, pids);
    const { steal, others } = round.noise;
    const again = steal > options.maxSteal && repeated < MAX_REPEATS;
    say(`round ${rounds.length + 1} of ${options.rounds}: ${steal.toFixed(1)} % CPU stolen, ${others.toFixed(1)} % used by others${again ? "; once more" : ""}`);
    if (again) repeated += 1;
    else rounds.push(round);
  }
  return {
    of: (step, field) => rounds.map(({ results }) => results.get(step)[field]),
    noise: {
      steal: spread(rounds.map(({ noise }) => noise.steal)),
      others: spread(rounds.map(({ noise }) => noise.others)),
      repeated,
      kept: rounds.filter(({ noise }) => noise.steal > options.maxSteal).length,
    },
  };
}

/**
 * How `ours` compares with `theirs`: more is better, by throughput and by CPU time. Each ratio is taken
 * within a round and only then summed up: the machine drifts between rounds.
 */
export function ratioOf({ of }, ours, theirs) {
  const within = (field, above, below) => {
    const divisors = of(below, field);
    return spread(of(above, field).map((value, round) => value / divisors[round]));
  };
  return { rate: within("rate", ours, theirs), cpu: within("cpu", theirs, ours) };
}
