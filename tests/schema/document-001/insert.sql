INSERT INTO secure_executions
(fortress_job_id, prompt, prompt_hash, security_level, execution_method, status, fortress_output, fortress_signature)
VALUES (:job_id, :prompt, :prompt_hash, 'fortress', 'sandboxed', 'completed', :output, :signature);
