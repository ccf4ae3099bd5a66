-- Who may call the service. A token itself is nowhere: only its digest is. Nothing is ever deleted, so that a name stays
-- that of the one token it was given to.

create table tokens (
  name text not null,
  scope text not null,
  -- Of the components that it may write of: `*` stands for any text. Null: all of them.
  component text,
  -- SHA-256 of the token.
  digest bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  -- To within a few seconds.
  last_used_at timestamptz,
  revoked_at timestamptz,

  constraint token_name_is_given_once primary key (name),
  constraint scope_is_known check (scope in ('read', 'write', 'admin')),
  constraint component_bounds_what_is_written check (component is null or scope <> 'read'),
  constraint digest_is_of_sha_256 check (octet_length(digest) = 32)
);
