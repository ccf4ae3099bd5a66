-- A page of a record's history, newest first.
--   $1  the record
--   $2  the last entry of the page before: its time
--   $3  how many
--
-- Answers what the record was; then when, how and by whom it was changed. One row of nulls where there is no entry
-- (more), none where there never was such a record.
select was.id, was.component, version, owner, status, environment, run, stage, url, commit, committed_at, unplanned,
  started_at, finished_at, phase, start_id, recorded_at, updated_at, at, change, by
from (
    select $1::bigint as id
    where exists (select from records where id = $1) or exists (select from history where id = $1)
  ) known
  left join lateral (
    select at, change, by, was
    from history h
    where h.id = known.id and ($2::timestamptz is null or at < $2)
    order by at desc
    limit $3
  ) entry on true
  left join lateral jsonb_populate_record(null::records, entry.was) was on true
order by at desc
