-- Evidence integrity check
SELECT
    COUNT(*) as total_evidence,
    COUNT(*) FILTER (WHERE signature_verified = true) as verified_evidence,
    COUNT(*) FILTER (WHERE status = 'verified') as fully_verified
FROM evidence_records
WHERE created_at >= NOW() - INTERVAL '7 days';
