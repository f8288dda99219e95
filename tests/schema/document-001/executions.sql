-- Monitor execution performance
SELECT
    security_level,
    COUNT(*) as total_executions,
    AVG(EXTRACT(EPOCH FROM (completed_at - created_at))) as avg_duration,
    COUNT(*) FILTER (WHERE status = 'completed') as successful_executions
FROM secure_executions
WHERE created_at >= NOW() - INTERVAL '24 hours'
GROUP BY security_level;
