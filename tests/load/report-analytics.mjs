// The figures of a month's usage as a Markdown section.
import { circumstances, number, table } from "./table.mjs";

/** Milliseconds. */
const MOST = 200;

/** The section, as Markdown. */
export function renderAnalytics({ machine, options, noise, events, month, groups, rows }) {
  return [
    ...circumstances({ machine, options, noise }),
    `### A month over ${number(events)} calls\nFrom ${month.start} to ${month.end}, by what the answer is grouped by: milliseconds at the client, ` +
      `median of the rounds. Target: less than ${MOST} ms.`,
    table(
      ["by", "time zone", ...groups, ""],
      rows.map(({ granularity, zone, times, slowest }) => [
        granularity,
        zone,
        ...times.map((ms) => number(ms, 0)),
        slowest < MOST ? "met" : "**missed**",
      ]),
    ),
  ].join("\n\n");
}
