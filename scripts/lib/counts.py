#!/usr/bin/env python3
"""Reads a test runner's output and prints `PASSED FAILED`.

usage: counts.py cargo|node|plain FILE

Exits 1 where the output has none of the runner's closing lines, or they tell of no test at all.
"""

import re
import sys

# Each runner's closing lines: one group for a count that passed, or for one that did not.
RUNNERS = {
    "cargo": (r"^test result: \w+\. (\d+) passed", r"^test result: \w+\. \d+ passed; (\d+) failed"),
    "node": (r"^ℹ pass (\d+)", r"^ℹ (?:fail|cancelled) (\d+)"),
    "plain": (r"^(\d+) passed, \d+ failed", r"^\d+ passed, (\d+) failed"),
}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def main(runner, path):
    with open(path, encoding="utf-8", errors="replace") as file:
        text = COLOUR.sub("", file.read())
    passed, failed = (sum(map(int, re.findall(pattern, text, re.MULTILINE))) for pattern in RUNNERS[runner])
    print(passed, failed)
    return 0 if passed + failed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
