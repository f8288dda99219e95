UPDATE usage_rollups SET attempts = usage_rollups.attempts - sums.attempts,
    requests = usage_rollups.requests - sums.attempts,
    errors = usage_rollups.errors - sums.attempts,
    cost_nanos = usage_rollups.cost_nanos - sums.cost_nanos,
    estimated = usage_rollups.estimated - sums.estimated,
    unpriced = usage_rollups.unpriced - sums.unpriced
FROM (
    SELECT user_id, scope, span, bucket, member, model,
        COUNT(*) AS attempts,
        SUM(COALESCE(cost_nanos, 0)) AS cost_nanos,
        SUM(CASE cost_status WHEN 'estimated' THEN 1 ELSE 0 END) AS estimated,
        SUM(CASE cost_status WHEN 'unpriced' THEN 1 ELSE 0 END) AS unpriced
    FROM (
        SELECT COALESCE(e.user_id, '') AS user_id, scopes.scope, spans.span,
            e.bucket - e.bucket % spans.span AS bucket,
            COALESCE(CASE scopes.scope WHEN 'key' THEN e.key_id WHEN 'session' THEN e.session_id
                ELSE e.case_id END, '') AS member,
            e.model, e.cost_nanos, e.cost_status
        FROM usage_events e
        CROSS JOIN (SELECT 'key' AS scope UNION ALL SELECT 'session' UNION ALL SELECT 'case') scopes
        CROSS JOIN (SELECT 1 AS span UNION ALL SELECT 4) spans
        WHERE {events} AND e.counted
    ) picked
    GROUP BY user_id, scope, span, bucket, member, model
) sums
WHERE usage_rollups.user_id = sums.user_id AND usage_rollups.scope = sums.scope
    AND usage_rollups.span = sums.span AND usage_rollups.bucket = sums.bucket
    AND usage_rollups.member = sums.member AND usage_rollups.model = sums.model
