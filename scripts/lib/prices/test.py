#!/usr/bin/env python3
"""Tests of scripts/prices, without a network: python3 scripts/lib/prices/test.py"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

sys.dont_write_bytecode = True
LIB = pathlib.Path(__file__).resolve().parent
ROOT = LIB.parent.parent.parent
sys.path.insert(0, str(LIB.parent))

from prices import compare, rules, table, upstream  # noqa: E402

SOURCE = """
from decimal import Decimal
providers: list[Provider] = [
    Provider(id='anthropic', models=[]),
    Provider(id='openai', models=[
        ModelInfo(
            id='m-1',
            match=ClauseOr(or_=[ClauseEquals(equals='m-1'), ClauseEquals(equals='m-1-audio'),
                                ClauseRegex(regex='^m-1-\\\\d{4}-\\\\d{2}-\\\\d{2}$')]),
            prices=[
                ConditionalPrice(prices=ModelPrice(input_mtok=Decimal('2.50'), output_mtok=Decimal('10'))),
                ConditionalPrice(
                    constraint=StartDateConstraint(start_date=datetime.date(2026, 3, 1)),
                    prices=ModelPrice(
                        input_mtok=TieredPrices(base=Decimal('0.1'), tiers=[Tier(start=1000, price=Decimal('0.3'))]),
                        cache_read_mtok=Decimal('0.01'), output_mtok=Decimal('1'), web_searches_kcount=Decimal('10'))),
            ],
            price_variants=[
                PriceVariant(when={'service_tier': 'default'}, prices=ModelPrice(), constraint=None),
                PriceVariant(when={'processing': 'batch'}, prices=ModelPrice(input_mtok=Decimal('0.05')),
                             constraint=StartDateConstraint(start_date=datetime.date(2026, 4, 1))),
            ],
        ),
        ModelInfo(id='m-image', match=ClauseEquals(equals='m-image'),
                  prices=ModelPrice(input_mtok=Decimal('1'), output_mtok=Decimal('1'), input_image_mtok=Decimal('9'))),
        ModelInfo(id='m-audio', match=ClauseEquals(equals='m-audio'),
                  prices=ModelPrice(input_mtok=Decimal('1'), output_mtok=Decimal('1'))),
    ]),
]
"""
SKIP = [{"provider": "openai", "pattern": "audio", "reason": "r"}]


def build(source=SOURCE, correct=()):
    package = upstream.Package("1.0.0", {}, upstream.providers(source))
    return table.build(package, {"skip": SKIP, "correct": list(correct)})


class Table(unittest.TestCase):
    def test_builds_rows_with_dates_tiers_and_long_context(self):
        (model,) = build()["providers"]["openai"]
        self.assertEqual((model["model"], model["names"], model["dated"]), ("m-1", [], ["m-1"]))
        first, second, batch = model["prices"]
        self.assertEqual(first, {"tier": "default", "effective_to": "2026-03-01", "rates": {"input": "2.5", "output": "10"}})
        long = {"over_prompt_tokens": 1000, "rates": {"input": "0.3", "cached_input": "0.01", "output": "1"}}
        self.assertEqual((second["effective_from"], second["long"]), ("2026-03-01", long))
        rates = {"input": "0.05", "cached_input": "0.01", "output": "1"}
        self.assertEqual(batch, {"tier": "batch", "effective_from": "2026-04-01", "rates": rates, "web_search": "10"})

    def test_text_is_json_and_stable(self):
        text = table.write(build())
        self.assertEqual(json.loads(text)["providers"]["anthropic"], [])
        self.assertEqual(text, table.write(build()))

    def test_refuses_what_no_price_list_holds(self):
        for wrong, right in [
            ("'2.50'", "'-2.50'"),
            ("'2.50'", "'2.5000001'"),
            ("'2.50'", "'1e3'"),
            ("Decimal('0.05')", "Decimal('0.009')"),
            ("Decimal('0.05')", "Decimal('1.1')"),
            ("price=Decimal('0.3')", "price=Decimal('0.09')"),
            ("StartDateConstraint", "TimeOfDayConstraint"),
        ]:
            self.assertIn(wrong, SOURCE)
            with self.assertRaises(rules.Fault, msg=right):
                build(SOURCE.replace(wrong, right))

    def test_refuses_one_name_for_two_models_and_overlapping_dates(self):
        model = {"model": "m", "names": [], "dated": [], "prices": [{"tier": "default", "rates": {}}]}
        with self.assertRaises(rules.Fault):
            rules.check("openai", [model, {**model, "model": "n", "names": ["m"]}])
        rules.check("openai", [model])
        with self.assertRaises(rules.Fault):
            rules.check("openai", [{**model, "prices": model["prices"] * 2}])

    def test_a_correction_must_fit_one_row_and_change_it(self):
        fix = {"provider": "openai", "model": "m-1", "tier": "batch", "effective_from": "2026-04-01", "of": "rates"}
        (model,) = build(correct=[{**fix, "set": {"input": "0.06"}}])["providers"]["openai"]
        self.assertEqual(model["prices"][2]["rates"]["input"], "0.06")
        for useless in [{**fix, "set": {"input": "0.050"}}, {**fix, "tier": "flex", "set": {"input": "0.06"}}]:
            with self.assertRaises(rules.Fault):
                build(correct=[useless])


class Compare(unittest.TestCase):
    def changed(self, wrong, right):
        old, new = build(), build(SOURCE.replace(wrong, right))
        return list(compare.diff(old, new)), list(compare.alarms(old, new))

    def test_same_has_no_difference(self):
        self.assertEqual(self.changed("x", "x"), ([], []))

    def test_small_changes_are_told(self):
        told = ["~ openai/m-1 default start input: 2.5 -> 3"]
        self.assertEqual(self.changed("'2.50'", "'3'"), (told, []))

    def test_tenfold_changes_and_losses_alarm(self):
        for change in [("'2.50'", "'25.1'"), ("'2.50'", "'0.249'"), ("'2.50'", "'0'"), ("'batch'", "'flex'")]:
            self.assertTrue(self.changed(*change)[1], change)
        self.assertEqual(self.changed("'2.50'", "'25'")[1], [])


class Wheel(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name) / "genai_prices-1.0.0-py3-none-any.whl"
        with zipfile.ZipFile(self.path, "w") as archive:
            archive.writestr(upstream.DATA, SOURCE)
        self.pin = {"version": "1.0.0", "sha256": hashlib.sha256(self.path.read_bytes()).hexdigest()}

    def tearDown(self):
        self.folder.cleanup()

    def test_reads_the_pinned_wheel(self):
        package = upstream.open_wheel(self.path, None, self.pin)
        self.assertEqual((package.version, package.pin), ("1.0.0", self.pin))

    def test_refuses_other_bytes_and_other_versions(self):
        with self.assertRaises(upstream.Fault):
            upstream.open_wheel(self.path, None, {**self.pin, "sha256": "0"})
        with self.assertRaises(upstream.Fault):
            upstream.open_wheel(self.path, None, {**self.pin, "version": "0.9.0"})
        older = {"version": "0.9.0", "sha256": "0"}
        self.assertEqual(upstream.open_wheel(self.path, "1.0.0", older).pin, self.pin)

    def test_nothing_is_written_unless_it_is_sound(self):
        command = [ROOT / "scripts/prices", "--from", self.path, "--version", "1.0.0"]
        before = (ROOT / "src/core/usage/prices.json").read_bytes()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("a correction fits 0 rows", done.stderr)
        self.assertEqual((ROOT / "src/core/usage/prices.json").read_bytes(), before)


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
