INSERT INTO usage_rollups (user_id, scope, span, bucket, member, model,
    attempts, requests, errors, messages, prompt_tokens, cached_tokens, cache_write_tokens,
    cache_write_1h_tokens, completion_tokens, reasoning_tokens, web_searches, cost_nanos,
    estimated, unpriced, latencies)
WITH picked AS (
    SELECT COALESCE(e.user_id, '') AS user_id, scopes.scope, spans.span,
        e.bucket - e.bucket % spans.span AS bucket,
        COALESCE(CASE scopes.scope WHEN 'key' THEN e.key_id WHEN 'session' THEN e.session_id
            ELSE e.case_id END, '') AS member,
        e.model, e.attempt, e.outcome, e.messages, e.prompt_tokens, e.cached_tokens,
        e.cache_write_tokens, e.cache_write_1h_tokens, e.completion_tokens, e.reasoning_tokens,
        e.web_searches, e.cost_nanos, e.cost_status, e.first_token_bin, e.total_bin, e.overhead_bin
    FROM usage_events e
    CROSS JOIN (SELECT 'key' AS scope UNION ALL SELECT 'session' UNION ALL SELECT 'case') scopes
    CROSS JOIN (SELECT 1 AS span UNION ALL SELECT 4) spans
    WHERE {events}
), sums AS (
    SELECT user_id, scope, span, bucket, member, model,
        COUNT(*) AS attempts,
        SUM(CASE attempt WHEN 1 THEN 1 ELSE 0 END) AS requests,
        SUM(CASE outcome WHEN 'ok' THEN 0 ELSE 1 END) AS errors,
        SUM(messages) AS messages,
        SUM(COALESCE(prompt_tokens, 0)) AS prompt_tokens,
        SUM(COALESCE(cached_tokens, 0)) AS cached_tokens,
        SUM(COALESCE(cache_write_tokens, 0)) AS cache_write_tokens,
        SUM(COALESCE(cache_write_1h_tokens, 0)) AS cache_write_1h_tokens,
        SUM(COALESCE(completion_tokens, 0)) AS completion_tokens,
        SUM(COALESCE(reasoning_tokens, 0)) AS reasoning_tokens,
        SUM(COALESCE(web_searches, 0)) AS web_searches,
        SUM(COALESCE(cost_nanos, 0)) AS cost_nanos,
        SUM(CASE cost_status WHEN 'estimated' THEN 1 ELSE 0 END) AS estimated,
        SUM(CASE cost_status WHEN 'unpriced' THEN 1 ELSE 0 END) AS unpriced
    FROM picked GROUP BY user_id, scope, span, bucket, member, model
), bins AS (
    SELECT user_id, scope, span, bucket, member, model, code, COUNT(*) AS n
    FROM (
        SELECT user_id, scope, span, bucket, member, model, CASE metric WHEN 1 THEN first_token_bin
            WHEN 2 THEN total_bin ELSE overhead_bin END AS code
        FROM picked
        CROSS JOIN (SELECT 1 AS metric UNION ALL SELECT 2 UNION ALL SELECT 3) metrics
    ) measured
    WHERE code IS NOT NULL GROUP BY user_id, scope, span, bucket, member, model, code
), texts AS (
    SELECT user_id, scope, span, bucket, member, model,
        string_agg(CASE n WHEN 1 THEN code ELSE code || CAST(n AS TEXT) END, '' ORDER BY code)
            AS latencies
    FROM bins GROUP BY user_id, scope, span, bucket, member, model
)
SELECT user_id, scope, span, bucket, member, model, attempts, requests, errors, messages,
    prompt_tokens, cached_tokens, cache_write_tokens, cache_write_1h_tokens, completion_tokens,
    reasoning_tokens, web_searches, cost_nanos, estimated, unpriced, COALESCE(latencies, '')
FROM sums LEFT JOIN texts USING (user_id, scope, span, bucket, member, model)
WHERE TRUE
ON CONFLICT (user_id, scope, span, bucket, member, model) DO UPDATE SET
    attempts = usage_rollups.attempts + excluded.attempts,
    requests = usage_rollups.requests + excluded.requests,
    errors = usage_rollups.errors + excluded.errors,
    messages = usage_rollups.messages + excluded.messages,
    prompt_tokens = usage_rollups.prompt_tokens + excluded.prompt_tokens,
    cached_tokens = usage_rollups.cached_tokens + excluded.cached_tokens,
    cache_write_tokens = usage_rollups.cache_write_tokens + excluded.cache_write_tokens,
    cache_write_1h_tokens = usage_rollups.cache_write_1h_tokens + excluded.cache_write_1h_tokens,
    completion_tokens = usage_rollups.completion_tokens + excluded.completion_tokens,
    reasoning_tokens = usage_rollups.reasoning_tokens + excluded.reasoning_tokens,
    web_searches = usage_rollups.web_searches + excluded.web_searches,
    cost_nanos = usage_rollups.cost_nanos + excluded.cost_nanos,
    estimated = usage_rollups.estimated + excluded.estimated,
    unpriced = usage_rollups.unpriced + excluded.unpriced,
    latencies = CASE WHEN LENGTH(usage_rollups.latencies) < 65536
        THEN usage_rollups.latencies || excluded.latencies ELSE usage_rollups.latencies END
