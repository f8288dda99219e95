"""What a table must satisfy, and the corrections laid over what is known to be wrong or missing."""

import re
from fractions import Fraction

SANE_RATIO = (Fraction(1, 10), Fraction(10))


class Fault(Exception):
    pass


def decimal(text):
    """A price as text, a whole number of pico-dollars a token, without idle zeros."""
    if not re.fullmatch(r"\d{1,5}(\.\d+)?", text):
        raise Fault(f"the price {text!r} is no plain decimal below 100,000")
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > 6:
        raise Fault(f"the price {text} is finer than a pico-dollar a token")
    return f"{int(whole)}.{fraction}" if fraction else str(int(whole))


def correct(built, corrections):
    """Sets rates of one row. Each correction must still be one: it fails once it changes nothing."""
    for entry in corrections:
        wanted = {key: entry.get(key) for key in ("tier", "effective_from")}
        rows = [
            row
            for model in built[entry["provider"]]
            if model["model"] == entry["model"]
            for row in model["prices"]
            if all(row.get(key) == wanted[key] for key in wanted)
        ]
        if len(rows) != 1:
            raise Fault(f"a correction fits {len(rows)} rows, not one: {entry}")
        rates = rows[0][entry["of"]] if entry["of"] == "rates" else rows[0]["long"]["rates"]
        fixed = {name: decimal(price) for name, price in entry["set"].items()}
        if fixed.items() <= rates.items():
            raise Fault(f"a correction is no longer needed: {entry}")
        rates.update(fixed)


def check(provider, models):
    names = [name for model in models for name in [model["model"], *model["names"]]]
    families = [family for model in models for family in model["dated"]]
    for twice in {name for listed in (names, families) for name in listed if listed.count(name) > 1}:
        raise Fault(f"{provider}/{twice} is the name of two models")
    for model in models:
        for fault in faults(model["prices"]):
            raise Fault(f"{provider}/{model['model']}: {fault}")


def faults(rows):
    for at, row in enumerate(rows):
        for other in rows[at + 1 :]:
            if row["tier"] == other["tier"] and overlap(row, other):
                yield f"two prices of the tier {row['tier']} are in force at once"
        if "long" in row:
            yield from out_of_ratio("long context", row["long"]["rates"], row["rates"], least=Fraction(1))
        for standard in rows:
            if standard["tier"] == "default" and overlap(row, standard):
                yield from out_of_ratio(f"the tier {row['tier']}", row["rates"], standard["rates"])


def out_of_ratio(what, rates, standard, least=SANE_RATIO[0]):
    for name in rates.keys() & standard.keys():
        price, usual = Fraction(rates[name]), Fraction(standard[name])
        if not least * usual <= price <= SANE_RATIO[1] * usual:
            yield f"{name} of {what} is {rates[name]} against {standard[name]}"


def overlap(one, other):
    start = lambda row: row.get("effective_from", "")  # noqa: E731
    end = lambda row: row.get("effective_to", "9")  # noqa: E731
    return start(one) < end(other) and start(other) < end(one)
