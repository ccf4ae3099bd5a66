-- Forgets up to 10,000 events that are older than an hour and a bit; the newest of those stays, and says from where on
-- all are there. Answers how many.
with
  oldest as (
    select number, lead(logged_at) over (order by number) as next_logged_at
    from (select number, logged_at from events order by number limit 10001) e
  ),
  forgotten as (
    delete from events
    where number = any (array(select number from oldest where next_logged_at < now() - interval '70 minutes'))
    returning number
  )
select count(*) from forgotten
