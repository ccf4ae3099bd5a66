-- The applied migrations, by name.
select name, checksum from migrations order by name
