"""Builds our table from genai-prices: our providers, text models, rows with dates and tiers."""

import json
import re

from . import rules

RATES = {
    "input": "input_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "output": "output_mtok",
}
PER_THOUSAND = "web_searches_kcount"
# What a price may hold besides. File search is billed by the call, which no usage object counts.
PASSED_OVER = {"is", "storage_searches_kcount"}
PROVIDERS = ("anthropic", "openai")
Fault = rules.Fault


def build(package, corrections):
    providers = {p["id"]: p["models"] for p in package.providers}
    built = {name: models(name, providers[name], corrections) for name in PROVIDERS}
    rules.correct(built, corrections["correct"])
    for provider, listed in built.items():
        rules.check(provider, listed)
    return {
        "source": f"genai-prices {package.version} (Pydantic, MIT)",
        "unit": "US dollars per million tokens; web_search per thousand searches",
        "providers": built,
    }


def models(provider, listed, corrections):
    skips = [re.compile(skip["pattern"]) for skip in corrections["skip"] if skip["provider"] == provider]
    skipped = lambda name: any(skip.search(name) for skip in skips)  # noqa: E731
    found = [model(entry, skipped) for entry in listed if not skipped(entry["id"]) and is_text(entry)]
    return sorted((m for m in found if m), key=lambda m: m["model"])


def is_text(entry):
    """Whether it is priced by text tokens in and out, and by nothing that we do not know."""
    prices = entry["prices"] if isinstance(entry["prices"], list) else [{"prices": entry["prices"]}]
    known = set(RATES.values()) | PASSED_OVER | {PER_THOUSAND}
    return all({"input_mtok", "output_mtok"} <= set(p["prices"]) <= known for p in prices)


def model(entry, skipped):
    names, dated = set(), set()
    for clause in entry["match"].get("or_", [entry["match"]]):
        exact, family = name_of(clause)
        names.update(name for name in [exact] if name and not skipped(name))
        dated.update(name for name in [family] if name)
    key = entry["id"] if entry["id"] in names or entry["id"].endswith("-latest") else min(names, default=None)
    if key is None:
        return None
    return {"model": key, "names": sorted(names - {key}), "dated": sorted(dated), "prices": rows(entry)}


def name_of(clause):
    """The exact name that a clause stands for, and the family whose dated snapshots it takes in."""
    if "equals" in clause:
        return clause["equals"], None
    if "starts_with" in clause:
        start = clause["starts_with"]
        if year := re.fullmatch(r"(.+)-20\d\d", start):
            return None, year[1]
        plain = start.removesuffix("-")
        return (plain, plain) if re.fullmatch(r"[a-z0-9.-]+", plain) else (None, None)
    if "regex" in clause:
        regex = clause["regex"].replace("\\.", ".").replace("[-@]", "-")
        if family := re.fullmatch(r"\^([a-z0-9.-]+)-(\\d\{8\}|\\d\{4\}-\\d\{2\}-\\d\{2\})\$", regex):
            return None, family[1]
    return None, None


def rows(entry):
    prices = entry["prices"] if isinstance(entry["prices"], list) else [{"prices": entry["prices"]}]
    standard = spans((start_of(p), p["prices"]) for p in prices)
    tiers = {}
    for variant in entry.get("price_variants", []):
        ((_, tier),) = variant["when"].items()
        tiers.setdefault(tier, []).append((start_of(variant), variant["prices"]))
    if any(set(price) != {"is"} for _, price in tiers.pop("default", [])):
        raise Fault(f"{entry['id']}: the default tier has prices of its own")
    made = [row("default", start, end, price) for start, end, price in standard]
    for tier, priced in sorted(tiers.items()):
        for start, end, price in spans(priced):
            made += overlaid(tier, start, end, price, standard)
    return made


def overlaid(tier, start, end, price, standard):
    """A tier says only what differs from the standard price, which may change under it."""
    for standard_start, standard_end, base in standard:
        first, last = max(start, standard_start), min(end or "9", standard_end or "9")
        if first < last:
            yield row(tier, first, None if last == "9" else last, {**base, **price})


def spans(priced):
    """Half-open spans of time: each price ends where the next one starts; the first has no start."""
    ordered = sorted(priced, key=lambda p: p[0])
    ends = [start for start, _ in ordered[1:]] + [None]
    return [(start, end, price) for (start, price), end in zip(ordered, ends)]


def start_of(priced):
    constraint = priced.get("constraint")
    if constraint is None:
        return ""
    if constraint["is"] != "StartDateConstraint":
        raise Fault(f"a price has the unknown constraint {constraint}")
    return constraint["start_date"]


def row(tier, start, end, price):
    made = {"tier": tier}
    if start:
        made["effective_from"] = start
    if end:
        made["effective_to"] = end
    made["rates"] = {ours: base(price[theirs]) for ours, theirs in RATES.items() if theirs in price}
    limits = {step(price[key])["start"] for key in price if isinstance(price[key], dict)}
    if len(limits) > 1:
        raise Fault(f"a price has several long-context limits: {price}")
    for limit in limits:
        rates = {ours: above(price[theirs]) for ours, theirs in RATES.items() if theirs in price}
        made["long"] = {"over_prompt_tokens": limit, "rates": rates}
    if PER_THOUSAND in price:
        made["web_search"] = rules.decimal(price[PER_THOUSAND])
    return made


def base(price):
    return rules.decimal(price["base"] if isinstance(price, dict) else price)


def above(price):
    return rules.decimal(step(price)["price"] if isinstance(price, dict) else price)


def step(price):
    if len(price["tiers"]) != 1:
        raise Fault(f"a price has {len(price['tiers'])} long-context steps, not one")
    return price["tiers"][0]


def write(built):
    """Stable text with one line a price, so that changes show as lines."""
    lines = ["{", f' "source": {json.dumps(built["source"])},', f' "unit": {json.dumps(built["unit"])},', ' "providers": {']
    for at, (provider, listed) in enumerate(sorted(built["providers"].items())):
        lines.append(f'  "{provider}": [')
        lines += [entry + ("," if n + 1 < len(listed) else "") for n, entry in enumerate(map(write_model, listed))]
        lines.append("  ]," if at + 1 < len(built["providers"]) else "  ]")
    return "\n".join([*lines, " }", "}", ""])


def write_model(entry):
    head = {key: entry[key] for key in ("model", "names", "dated") if entry[key]}
    prices = ",\n".join("    " + json.dumps(price) for price in entry["prices"])
    return f"   {json.dumps(head)[:-1]}, \"prices\": [\n{prices}\n   ]}}"
