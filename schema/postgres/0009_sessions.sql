-- What sessions and messages belong to, and what a session asks its model with.

ALTER TABLE chat_sessions ADD COLUMN case_id TEXT;
-- The template and the model settings it was made with, as they were then.
ALTER TABLE chat_sessions ADD COLUMN settings JSONB;

CREATE INDEX chat_sessions_by_case ON chat_sessions (case_id, updated_at) WHERE case_id IS NOT NULL;

-- Labels and documents of sessions and messages.
CREATE TABLE chat_links (
    session_id TEXT NOT NULL REFERENCES chat_sessions (id) ON DELETE CASCADE,
    -- '' for the session itself. No reference: messages go with their session only.
    message_id TEXT NOT NULL DEFAULT '',
    kind       TEXT NOT NULL CHECK (kind IN ('label', 'document')),
    value      TEXT NOT NULL,
    PRIMARY KEY (session_id, message_id, kind, value)
);

CREATE INDEX chat_links_by_value ON chat_links (kind, value);
