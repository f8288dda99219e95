-- Sessions and messages found by owner, case, label and document, and read on from a place. The owner stands in each
-- row that is looked for, so that a search reads the owner's rows only.

ALTER TABLE chat_messages ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
UPDATE chat_messages SET user_id = (SELECT s.user_id FROM chat_sessions s WHERE s.id = chat_messages.session_id);
ALTER TABLE chat_links ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
UPDATE chat_links SET user_id = (SELECT s.user_id FROM chat_sessions s WHERE s.id = chat_links.session_id);

DROP INDEX chat_messages_by_case;
DROP INDEX chat_sessions_by_case;
DROP INDEX chat_links_by_value;

-- Each holds all that puts messages in order, so that a place is found without reading what was said.
CREATE INDEX chat_messages_by_user ON chat_messages (user_id, timestamp, session_id, seq);
CREATE INDEX chat_messages_by_time ON chat_messages (session_id, timestamp, seq);
CREATE INDEX chat_messages_by_case ON chat_messages (user_id, case_id, timestamp, session_id, seq)
    WHERE case_id IS NOT NULL;
CREATE INDEX chat_sessions_by_case ON chat_sessions (user_id, case_id, updated_at) WHERE case_id IS NOT NULL;
CREATE INDEX chat_links_by_value ON chat_links (user_id, kind, value, session_id, message_id);
