-- The steps that were taken, in order.
select name, checksum from migrations order by name
