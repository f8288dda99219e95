-- Who signs in, which clients act for them, and what was granted. Written by the coordinator;
-- the other workers read grants and signing keys. Secrets are hashed, or sealed where they must be read again.

-- People who have signed in through a provider, or were given roles. A token may belong to a user without a row.
CREATE TABLE identities (
    -- The user id that owns data.
    id TEXT NOT NULL PRIMARY KEY,
    chitty_id TEXT,
    -- The OpenID provider's `iss` and `sub`.
    issuer TEXT,
    subject TEXT,
    email TEXT,
    email_verified BOOLEAN NOT NULL DEFAULT FALSE,
    name TEXT,
    roles JSONB NOT NULL DEFAULT '["reader"]',
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT identities_subject UNIQUE (issuer, subject)
);

-- Second factors.
CREATE TABLE credentials (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('totp')),
    -- Sealed.
    secret TEXT NOT NULL,
    -- Null until its owner has shown that it works.
    confirmed_at TIMESTAMPTZ,
    -- The last time step (RFC 6238) that was taken: none counts twice.
    last_step BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT credentials_one UNIQUE (user_id, kind)
);

-- A browser that is signed in.
CREATE TABLE login_sessions (
    -- SHA-256 of the cookie's value, lower-case hex.
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    -- The key it was opened with: ends with it. Null for a provider's sign-in.
    token_id TEXT,
    method TEXT NOT NULL CHECK (method IN ('key', 'openid')),
    second_factor BOOLEAN NOT NULL DEFAULT FALSE,
    -- The most that may be granted from here.
    scopes JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ
);

CREATE INDEX login_sessions_by_user ON login_sessions (user_id, created_at);
CREATE INDEX login_sessions_by_expiry ON login_sessions (expires_at);

-- Clients that registered themselves (RFC 7591). Predefined ones stand in the configuration, and those with a
-- metadata document at its address.
CREATE TABLE oauth_clients (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    redirect_uris JSONB NOT NULL,
    auth_method TEXT NOT NULL
        CHECK (auth_method IN ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')),
    -- SHA-256, lower-case hex.
    secret_hash TEXT CHECK (length(secret_hash) = 64),
    grant_types JSONB NOT NULL,
    -- The rest of its metadata as it was accepted.
    metadata JSONB NOT NULL,
    registered_from TEXT,
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ
);

CREATE INDEX oauth_clients_by_expiry ON oauth_clients (expires_at);
CREATE INDEX oauth_clients_by_origin ON oauth_clients (registered_from, created_at);

-- What a user allowed a client, or a client was given for itself. Every code, refresh token and access token
-- belongs to one: revoking it ends them all.
CREATE TABLE oauth_grants (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('code', 'client_credentials', 'jwt_bearer')),
    user_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_name TEXT NOT NULL,
    -- The audience of its tokens (RFC 8707).
    resource TEXT NOT NULL,
    scopes JSONB NOT NULL,
    -- The key its user signed in with: a revoked key ends the grant.
    token_id TEXT,
    auth_time TIMESTAMPTZ,
    -- Thumbprint of the key that its tokens are bound to (RFC 9449).
    dpop_jkt TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    revoke_reason TEXT,
    CONSTRAINT oauth_grants_revoked_has_reason CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL))
);

CREATE INDEX oauth_grants_by_user ON oauth_grants (user_id, created_at);
CREATE INDEX oauth_grants_by_client ON oauth_grants (client_id, created_at);
CREATE INDEX oauth_grants_by_token ON oauth_grants (token_id);
CREATE INDEX oauth_grants_by_expiry ON oauth_grants (expires_at);

CREATE TABLE oauth_authorization_codes (
    -- SHA-256, lower-case hex.
    code_hash TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES oauth_grants (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    -- Null only for a predefined client that is exempt. The method is always S256.
    code_challenge TEXT,
    nonce TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    redeemed_at TIMESTAMPTZ,
    -- The one attempt that redeemed it.
    redeemed_by TEXT
);

CREATE INDEX oauth_authorization_codes_by_grant ON oauth_authorization_codes (grant_id);
CREATE INDEX oauth_authorization_codes_by_expiry ON oauth_authorization_codes (expires_at);

-- A grant's refresh tokens form one chain.
CREATE TABLE oauth_refresh_tokens (
    -- SHA-256, lower-case hex.
    token_hash TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES oauth_grants (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    -- When its successor was first given out.
    replaced_at TIMESTAMPTZ
);

CREATE INDEX oauth_refresh_tokens_by_grant ON oauth_refresh_tokens (grant_id);
CREATE INDEX oauth_refresh_tokens_by_expiry ON oauth_refresh_tokens (expires_at);

-- Keys that sign access and id tokens. Published before use and for as long as a token may live after.
CREATE TABLE signing_keys (
    -- RFC 7638 thumbprint, the `kid`.
    id TEXT NOT NULL PRIMARY KEY,
    -- 1, 2, 3, …: two isolates that make the next one make it once.
    number BIGINT NOT NULL CONSTRAINT signing_keys_number UNIQUE,
    algorithm TEXT NOT NULL DEFAULT 'ES256' CHECK (algorithm IN ('ES256')),
    public_jwk JSONB NOT NULL,
    -- Sealed.
    private_key TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    signs_from TIMESTAMPTZ NOT NULL,
    signs_until TIMESTAMPTZ NOT NULL,
    listed_until TIMESTAMPTZ NOT NULL
);

CREATE INDEX signing_keys_by_end ON signing_keys (listed_until);

-- Ids that count once, such as the `jti` of an assertion.
CREATE TABLE used_once (
    id TEXT NOT NULL PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX used_once_by_expiry ON used_once (expires_at);

-- Attempts in a window of time, such as sign-ins from an address.
CREATE TABLE throttles (
    id TEXT NOT NULL PRIMARY KEY,
    attempts BIGINT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX throttles_by_expiry ON throttles (expires_at);

CREATE TRIGGER identities_touch BEFORE UPDATE ON identities
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
