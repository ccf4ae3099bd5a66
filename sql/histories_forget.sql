-- Forgets the histories of up to 100 records that were deleted longest ago. Answers of how many.
--   $1  the days that they are kept
with
  due as materialized (
    select id
    from history
    where change = 'deleted' and at < now() - $1::integer * interval '24 hours'
    order by at
    limit 100
    for update skip locked
  ),
  forgotten as (
    delete from history h using due where h.id = due.id
  )
select count(*) from due
