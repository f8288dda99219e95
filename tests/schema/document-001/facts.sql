-- Chain facts verification status
SELECT
    source,
    COUNT(*) as total_facts,
    COUNT(*) FILTER (WHERE verified = true) as verified_facts,
    ROUND(AVG(CASE WHEN verified THEN 1 ELSE 0 END) * 100, 2) as verification_rate
FROM chitty_chain_facts
WHERE ingested_at >= NOW() - INTERVAL '7 days'
GROUP BY source;
