-- The OpenPGP keys that sign runs, the first to the newest. A rotation or revocation is written here first, whole and
-- signed, and then logged: the fortress logs a row that has no place in the log yet before it signs again.
CREATE TABLE fortress_keys (
    -- Of the primary key, 40 upper-case hex digits.
    fingerprint TEXT NOT NULL PRIMARY KEY,
    -- 1, 2, 3, …: of two rotations at once one makes the next key.
    number BIGINT NOT NULL CONSTRAINT fortress_keys_number UNIQUE CHECK (number >= 1),
    -- 'secret': its private half is the worker's secret. 'made': it stands here.
    origin TEXT NOT NULL CHECK (origin IN ('secret', 'made')),
    -- Armored, as it is published: with its revocation, once there is one.
    public_key TEXT NOT NULL,
    -- Sealed. Null where the worker's secret has it, and once the key is known to be compromised.
    private_key TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    -- The rotation that brought it: the exact bytes signed, and the detached signatures by the key before and by this
    -- one. All null for the first key; the old signature also where the private half before was gone.
    statement TEXT,
    old_signature TEXT,
    new_signature TEXT,
    -- Its place in the log, and the log's time there. Null: not logged yet, so the key does not sign.
    valid_from TIMESTAMPTZ,
    valid_from_index BIGINT CHECK (valid_from_index >= 0),
    rotation_fact TEXT CHECK (length(rotation_fact) = 64),
    -- When what it signed must have been logged. The index follows, once that time is over.
    valid_until TIMESTAMPTZ,
    valid_until_index BIGINT CHECK (valid_until_index >= 0),
    end_fact TEXT CHECK (length(end_fact) = 64),
    revocation TEXT CHECK (revocation IN ('superseded', 'retired', 'compromised')),
    -- The exact bytes signed, by the key that was active then.
    revocation_statement TEXT,
    revocation_signature TEXT,
    revocation_signer TEXT,
    -- From when on nothing that it signed can be trusted, as its operator says.
    compromised_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    revoked_index BIGINT CHECK (revoked_index >= 0),
    revocation_fact TEXT CHECK (length(revocation_fact) = 64),
    CONSTRAINT fortress_keys_from CHECK ((valid_from IS NULL) = (valid_from_index IS NULL)),
    CONSTRAINT fortress_keys_rotated CHECK (number = 1 OR (statement IS NOT NULL AND new_signature IS NOT NULL)),
    CONSTRAINT fortress_keys_revoked CHECK (revocation IS NULL OR (revocation_statement IS NOT NULL AND revocation_signature IS NOT NULL)),
    CONSTRAINT fortress_keys_compromised CHECK ((compromised_at IS NULL) = (revocation IS NULL OR revocation <> 'compromised'))
);

-- Facts of one owner, the newest first.
CREATE INDEX chitty_chain_facts_by_user ON chitty_chain_facts (user_id, leaf_index);

-- How far sealed texts of older encryption keys are sealed again under the key of that id, a row for each column.
CREATE TABLE resealing (
    key_id TEXT NOT NULL,
    -- table.column
    place TEXT NOT NULL,
    -- The last id that was looked at. '' at the beginning of a pass.
    cursor TEXT NOT NULL DEFAULT '',
    -- Sealed again in this pass.
    resealed BIGINT NOT NULL DEFAULT 0 CHECK (resealed >= 0),
    -- When a pass found nothing to do. Null: under way.
    done_at TIMESTAMPTZ,
    PRIMARY KEY (key_id, place)
);
