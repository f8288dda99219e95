// Applies schema/d1 to a local database, keeping the same table as `wrangler d1 migrations apply`,
// so that either may be used after the other.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { unstable_splitSqlQuery as splitSqlQuery } from "wrangler";

const TABLE = `CREATE TABLE IF NOT EXISTS d1_migrations(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

/** Applies each file of `folder` that has not been applied yet, in order, each in one transaction. */
export async function applyMigrations(database, folder) {
  await database.batch([database.prepare(TABLE, [])]);
  const rows = await (await database.prepare("SELECT name FROM d1_migrations", [])).all();
  const applied = new Set(rows.results.map((row) => row.name));
  const pending = readdirSync(folder).filter((file) => file.endsWith(".sql") && !applied.has(file)).sort();
  for (const file of pending) {
    const statements = splitSqlQuery(readFileSync(join(folder, file), "utf8"));
    try {
      await database.batch([
        ...statements.map((sql) => database.prepare(sql, [])),
        database.prepare("INSERT INTO d1_migrations (name) VALUES (?)", [file]),
      ]);
    } catch (error) {
      throw new Error(`migration ${file} failed: ${error.message}`, { cause: error });
    }
  }
  return pending;
}
