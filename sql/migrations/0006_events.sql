-- What happened, for those who are told of it as it happens: kept for a while, and for the same order everywhere.

-- Drawn once a record's row is locked or new, so that what happens to one record is numbered in sequence; and once the
-- transaction has its id, by which those are known that have drawn a number and not ended.
create sequence event_number minvalue 0 start 0;

create table events (
  number bigint primary key,
  logged_at timestamptz not null default now(),
  event text not null,
  -- Of `recorded`, the new records of a statement in their order; else the one.
  ids bigint[] not null,
  -- As it was until then, of `changed` and `deleted`. What a record was after an event is this of its next one, or else
  -- the record itself; so new records need not be written twice.
  before jsonb,

  constraint event_is_known check (event in ('recorded', 'changed', 'deleted'))
) with (autovacuum_vacuum_scale_factor = 0.05); -- all of it passes through within the hour

create index events_of_record on events ((ids[1]), number) where event <> 'recorded';

-- The last event of a time that is kept no more stays, so that it is known from where on all are there.
insert into events (number, event, ids) values (nextval('event_number'), 'recorded', '{}');
