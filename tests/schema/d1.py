"""The D1 schema in SQLite, under the limits D1 sets where they bear on a schema."""

import re
import sqlite3
from pathlib import Path

MIGRATIONS = Path(__file__).resolve().parents[2] / "schema" / "d1"

# https://developers.cloudflare.com/d1/platform/limits/ and workerd's own compound-SELECT limit.
LIMITS = {
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 5,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
}


def connect():
    """A new in-memory database with all migrations applied in order."""
    if sqlite3.sqlite_version_info < (3, 38):
        raise RuntimeError(f"SQLite {sqlite3.sqlite_version} is too old: STRICT tables and unixepoch() need 3.38")
    database = sqlite3.connect(":memory:", isolation_level=None)
    for limit, most in LIMITS.items():
        database.setlimit(limit, most)
    database.execute("PRAGMA foreign_keys = ON")
    for path in sorted(MIGRATIONS.glob("*.sql")):
        for statement in statements(path.read_text()):
            database.execute(statement)
    return database


def statements(text):
    """The statements of a migration, one at a time as D1 runs them."""
    pending = ""
    for line in text.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if re.sub(r"--.*", "", pending).strip():
        raise ValueError(f"unfinished statement: {pending.strip()[:80]}")


def tables(database, kind="table"):
    query = "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [name for (name,) in database.execute(query, (kind,))]


def columns(database, table):
    """{name: (type, not null, default, generated)} in order."""
    rows = database.execute(f"PRAGMA table_xinfo({table})")
    return {name: (kind, bool(notnull), default, hidden in (2, 3))
            for _, name, kind, notnull, default, _, hidden in rows}


def table_sql(database, table):
    (sql,) = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return sql


def foreign_keys(database):
    return sorted((table, row[3], row[2], row[6])
                  for table in tables(database)
                  for row in database.execute(f"PRAGMA foreign_key_list({table})"))


def constraint_names(database):
    return sorted(name for table in tables(database)
                  for name in re.findall(r"CONSTRAINT (\w+)", table_sql(database, table)))


def index_names(database):
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
    return [name for (name,) in database.execute(query)]
