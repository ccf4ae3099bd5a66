-- The applied migrations.
create table migrations (
  name text primary key,
  checksum text not null,
  applied_at timestamptz not null default now()
)
