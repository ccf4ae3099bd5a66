-- Whether a service uses the database, or did until a minute ago and did not take its leave.
select exists (select from replicas where seen_at > now() - interval '1 minute')
