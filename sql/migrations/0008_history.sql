-- What records were until they were changed or deleted. Written by the statement that does so, and by nothing else.
create table history (
  id bigint not null,
  component text not null,
  -- The `updated_at` that the record has since; so it rises from entry to entry.
  at timestamptz not null,
  change text not null,
  -- The token's name.
  by text,
  -- The record's columns, without those of its idempotency key.
  was jsonb not null,

  constraint change_is_known check (change in ('changed', 'deleted')),
  constraint a_record_changes_once_at_a_time primary key (id, at, component)
);
