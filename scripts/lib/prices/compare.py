"""The table on file against the one to be written."""

import sys
from fractions import Fraction

MOST_CHANGE = 10


def diff(old, new):
    """For people: one line a price that appears, goes or changes."""
    before, after = prices(old), prices(new)
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            yield f"- {' '.join(key)}: {before[key]}"
        elif key not in before:
            yield f"+ {' '.join(key)}: {after[key]}"
        elif before[key] != after[key]:
            yield f"~ {' '.join(key)}: {before[key]} -> {after[key]}"


def alarms(old, new):
    before, after = prices(old), prices(new)
    for key, price in sorted(before.items()):
        if key not in after:
            yield f"{' '.join(key)} ({price}) vanishes"
        elif changed_too_much(price, after[key]):
            yield f"{' '.join(key)} changes from {price} to {after[key]}"


def changed_too_much(old, new):
    try:
        old, new = Fraction(old), Fraction(new)
    except ValueError:
        return False
    return not old <= MOST_CHANGE * new or not new <= MOST_CHANGE * old


def prices(table):
    """Each fact of the table under the words that tell where it stands."""
    facts = {}
    for provider, models in table["providers"].items():
        for model in models:
            where = f"{provider}/{model['model']}"
            for name in model.get("names", []):
                facts[where, "name", name] = "yes"
            for family in model.get("dated", []):
                facts[where, "dated", family] = "yes"
            for row in model["prices"]:
                at = (where, row["tier"], row.get("effective_from", "start"))
                facts[*at, "until"] = row.get("effective_to", "further notice")
                facts.update({(*at, name): price for name, price in row["rates"].items()})
                if "web_search" in row:
                    facts[*at, "web_search"] = row["web_search"]
                if "long" in row:
                    facts[*at, "long", "over"] = str(row["long"]["over_prompt_tokens"])
                    facts.update({(*at, "long", name): price for name, price in row["long"]["rates"].items()})
    return facts


def count(table):
    models = [model for listed in table["providers"].values() for model in listed]
    return f"{len(models)} models, {sum(len(model['prices']) for model in models)} prices"


def report_check(same):
    if not same:
        print("prices: src/core/usage/prices.json is not what scripts/prices makes of its source", file=sys.stderr)
    return 0 if same else 1
