-- What the reports need beside the deploys.

-- How long a component's stages take.
create index stages_by_place on records (component, moment)
  where stage is not null and phase = 'succeeded';

-- What a `rolled_back` record names. Such records are rare, so that this costs other writes next to nothing.
create index rollbacks_by_place on records (component, coalesce(environment, ''))
  where moment is null and stage is null and lower(translate(status, '-_ ', '')) = 'rolledback';
