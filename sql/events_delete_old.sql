-- Deletes up to 10,000 events that are older than 70 minutes: subscribers can continue for at least an hour. Of these
-- events the newest stays; it shows from which number on the log is complete. Returns the number of deleted events.
with
  oldest as (
    select number, lead(logged_at) over (order by number) as next_logged_at
    from (select number, logged_at from events order by number limit 10001) e
  ),
  deleted as (
    delete from events
    where number = any (array(select number from oldest where next_logged_at < now() - interval '70 minutes'))
    returning number
  )
select count(*) from deleted
