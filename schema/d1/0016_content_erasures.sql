-- Erasures that are under way, by the execution or run: the cron finishes those whose worker ended. What was ordered,
-- and by whom, is in the log.
CREATE TABLE content_erasures (
    id     TEXT NOT NULL PRIMARY KEY,
    due_at INTEGER NOT NULL
) STRICT;

CREATE INDEX content_erasures_by_due ON content_erasures (due_at);
