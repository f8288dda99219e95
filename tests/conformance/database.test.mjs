// The contract of a database adapter (src/core/sql/contract.rs), on the real D1.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BASE } from "./support.mjs";

test("the D1 adapter keeps every promise of the contract", async () => {
  const response = await fetch(`${BASE}/database`);
  const report = await response.json();
  assert.deepEqual(report.failed, []);
  assert.ok(report.passed.length >= 14, `only ${report.passed.length} checks ran`);
});
