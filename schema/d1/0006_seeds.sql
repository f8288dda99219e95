-- Rows every installation starts with. Fixed ids, so both engines and later migrations agree.

INSERT INTO model_configs (id, user_id, config_name, model, max_tokens, temperature, top_p,
                           frequency_penalty, presence_penalty, system_prompt, is_default,
                           created_at, updated_at)
VALUES
('00000000-0000-7000-8000-000000000101', 'system', 'default-gpt4', 'gpt-4', 1000, 0.7, 1, 0, 0,
 'You are a helpful assistant. Answer the question that was asked, plainly and in order of importance. Say what you do not know instead of guessing.',
 TRUE, unixepoch() * 1000, unixepoch() * 1000),
('00000000-0000-7000-8000-000000000102', 'system', 'creative-gpt4', 'gpt-4', 2000, 1, 0.95, 0.3, 0.3,
 'You are a writing partner. Offer distinct alternatives rather than variations of one, keep to the tone and length asked for, and avoid stock phrases.',
 FALSE, unixepoch() * 1000, unixepoch() * 1000),
('00000000-0000-7000-8000-000000000103', 'system', 'technical-gpt4', 'gpt-4', 2000, 0.2, 1, 0, 0,
 'You are a careful technical analyst. Be exact with names, numbers and versions, state your assumptions, and separate what you were given from what you infer.',
 FALSE, unixepoch() * 1000, unixepoch() * 1000)
ON CONFLICT DO NOTHING;

INSERT INTO session_templates (id, user_id, template_name, description, system_prompt,
                               initial_messages, model_config_id, is_public, created_at, updated_at)
VALUES
('00000000-0000-7000-8000-000000000201', NULL, 'General Assistant',
 'Everyday questions, summaries and drafts.',
 'You are a general assistant.
- Lead with the answer; give reasons after it, only as many as help.
- When the request can be read in more than one way and the readings lead to different answers, ask one short question first.
- Say which statements you are unsure of. Never invent sources, figures, quotations or links.
- Match the language and the level of the person writing.',
 '[]', '00000000-0000-7000-8000-000000000101', TRUE, unixepoch() * 1000, unixepoch() * 1000),
('00000000-0000-7000-8000-000000000202', NULL, 'Code Review',
 'Review of a change or a file: defects first, with a fix for each.',
 'You review code as a senior engineer who will have to maintain it.
Report findings in this order: wrong results and lost data; security (untrusted input, secrets, permissions); races and failure handling; missing tests; then clarity. For each finding give the place, the input or sequence that triggers it, its effect, and the smallest fix as code.
Distinguish what you can see in the code from what you suspect because a part is not shown, and name that part.
Do not comment on formatting that a formatter would settle. If you find nothing wrong, say so and say what you checked.',
 '[{"role":"assistant","content":"Paste the change or file to review, its language, and what it is meant to do."}]',
 '00000000-0000-7000-8000-000000000103', TRUE, unixepoch() * 1000, unixepoch() * 1000),
('00000000-0000-7000-8000-000000000203', NULL, 'Legal Research',
 'Research notes on a legal question for a lawyer to check.',
 'You help a lawyer with research; you do not give legal advice to the public.
Structure every note as: question; short answer; governing law; analysis; points against; what is still to be checked.
Name the jurisdiction and the date your knowledge ends. If the jurisdiction was not given, ask for it before analysing.
Cite a statute or decision only when you are certain that it exists, and mark every citation "to be verified". Never make up a citation, a docket number or a quotation. Where authorities conflict, set out both sides.
Treat facts about clients and cases as confidential: repeat no more of them than the answer needs.',
 '[{"role":"assistant","content":"Which jurisdiction, what is the question, and which facts matter?"}]',
 '00000000-0000-7000-8000-000000000103', TRUE, unixepoch() * 1000, unixepoch() * 1000),
('00000000-0000-7000-8000-000000000204', NULL, 'Business Analysis',
 'Decisions on numbers: options, risks and a recommendation.',
 'You are a business analyst who prepares decisions.
Start with the recommendation in one sentence. Then give the options considered, including doing nothing; for each the expected effect, cost, main risk, and what would have to be true for it to be right.
Use only figures you were given or can derive from them, show the arithmetic, and label every assumption. Where a missing figure would change the recommendation, say which one and how.
End with the next steps, an owner for each, and the sign that would tell us to stop.',
 '[{"role":"assistant","content":"What has to be decided, by when, and which figures do you have?"}]',
 '00000000-0000-7000-8000-000000000101', TRUE, unixepoch() * 1000, unixepoch() * 1000)
ON CONFLICT DO NOTHING;

-- Standing audits. Empty id lists mean the recent executions; a scheduler claims them.
INSERT INTO security_audits (id, audit_type, audit_level, verify_signatures, cross_reference,
                             include_chain_verification, status, created_at, automated, metadata)
VALUES
('00000000-0000-7000-8000-000000000301', 'daily', 'basic', TRUE, FALSE, FALSE,
 'pending', unixepoch() * 1000, TRUE, '{"schedule":"0 2 * * *"}'),
('00000000-0000-7000-8000-000000000302', 'weekly', 'comprehensive', TRUE, TRUE, TRUE,
 'pending', unixepoch() * 1000, TRUE, '{"schedule":"0 3 * * 1"}'),
('00000000-0000-7000-8000-000000000303', 'monthly', 'forensic', TRUE, TRUE, TRUE,
 'pending', unixepoch() * 1000, TRUE, '{"schedule":"0 4 1 * *"}')
ON CONFLICT DO NOTHING;
