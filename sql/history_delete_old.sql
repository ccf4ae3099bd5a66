-- Deletes up to 1,000 entries from the histories of records that were deleted long ago. The entry of the deletion is
-- deleted last. Returns the number of entries.
--   $1  the days after which they are deleted
with
  due as materialized (
    select id
    from history
    where change = 'deleted' and at < now() - $1::integer * interval '24 hours'
    order by at
    limit 100
    for update skip locked
  ),
  old as materialized (
    select h.*
    from due
      cross join lateral (
        select id, at, component from history h where h.id = due.id order by h.id, h.at, h.component limit 1000
      ) h
    limit 1000
  ),
  deleted as (
    delete from history h
    using old
    where h.id = old.id and h.at = old.at and h.component = old.component
    returning h.id
  )
select count(*) from deleted
