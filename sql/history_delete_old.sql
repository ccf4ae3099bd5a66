-- Deletes the histories of up to 100 records that were deleted long ago, oldest first. Returns the number of records.
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
  deleted as (
    delete from history h using due where h.id = due.id
  )
select count(*) from due
