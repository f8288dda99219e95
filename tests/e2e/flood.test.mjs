// The platform's rate limits, in front of everything that counts exactly.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { guestOf } from "./door.mjs";
import { asked, startWorld, unique } from "./support.mjs";

const MOST = 5;
const KEYS = 8;

let world;
before(async () => void (world = await startWorld({ shield: MOST })));
after(() => world?.close());

test("all keys together are turned away where none is over its own limit", async () => {
  const guests = await Promise.all(Array.from({ length: KEYS }, () => guestOf(world, { maxRetries: 0 })));
  const word = unique("flood");
  const outcomes = await Promise.allSettled(guests.flatMap(({ ask }) => Array.from({ length: MOST - 1 }, () => ask(word))));
  const served = outcomes.filter(({ status }) => status === "fulfilled").length;
  // A minute may end meanwhile.
  assert.ok(served >= MOST && served <= 2 * MOST, `${served} were served`);
  for (const { reason } of outcomes.filter(({ status }) => status === "rejected")) {
    assert.ok(reason instanceof OpenAI.RateLimitError, String(reason));
    assert.deepEqual([reason.code, reason.headers.get("retry-after")], ["rate_limit_exceeded", "60"]);
  }
  assert.equal(asked(world, word).length, served);
});
