-- Signed runs whose fact is not in the log yet: the cron asks for them each minute.
CREATE INDEX fortress_jobs_unlogged ON fortress_jobs (status, completed_at, id)
    WHERE assertion_id IS NULL;
