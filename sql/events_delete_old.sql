-- Deletes up to 10,000 events that are older than 70 minutes: subscribers can continue for at least an hour. Of these
-- events the newest stays; it shows from which number on the log is complete. An event after one that stays is not
-- deleted, even if it seems older because the clock was set back. Returns the number of deleted events.
with
  oldest as (
    select number,
      bool_and(coalesce(next_logged_at < now() - interval '70 minutes', false)) over (order by number) as is_old
    from (
      select number, lead(logged_at) over (order by number) as next_logged_at
      from (select number, logged_at from events order by number limit 10001) first
    ) e
  ),
  deleted as (
    delete from events where number = any (array(select number from oldest where is_old)) returning number
  )
select count(*) from deleted
