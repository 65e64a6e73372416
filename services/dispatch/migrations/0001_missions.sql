create table provider (
  id uuid primary key,
  code text not null unique,
  label text not null,
  siret char(14) not null,
  place jsonb not null,
  areas jsonb not null,
  door text not null check (door in ('extranet', 'polling', 'kafka')),
  capacity_per_day int not null,
  version int not null,
  ended_on date
);

-- Changes with every change of any provider: what a process remembers of them is good for as long as this is the same.
create table provider_edition (
  one boolean primary key default true check (one),
  edition uuid not null
);

create table case_file (
  id uuid primary key,
  number char(9) not null
);

create table mission (
  id uuid primary key,
  case_id uuid not null,
  need_id uuid not null unique,
  number text not null,
  service text not null,
  wish jsonb not null,
  status text not null check (status in ('waiting', 'searching', 'offered', 'unfilled', 'accepted', 'started', 'done', 'cancelled')),
  version int not null,
  round int not null,
  attempts int not null,
  live int not null check (live >= 0),
  provider_id uuid,
  offer_id uuid,
  pending jsonb,
  answer_by timestamptz,
  task_id uuid,
  task_kind text,
  changed_at timestamptz not null,
  check ((provider_id is null) = (offer_id is null)),
  check ((provider_id is not null) = (status in ('accepted', 'started', 'done')))
) with (fillfactor = 70);
create index mission_by_case on mission (case_id);
create index mission_of_provider on mission (provider_id, id) where provider_id is not null;
create index mission_to_settle on mission (status, id) where status in ('searching', 'offered', 'unfilled', 'accepted');

create table offer (
  id uuid primary key,
  mission_id uuid not null references mission,
  provider_id uuid not null references provider,
  attempt int not null,
  round int not null,
  expires_at timestamptz not null,
  why text[] not null,
  day date not null,
  status text not null check (status in ('live', 'accepted', 'declined', 'expired', 'withdrawn', 'taken_back')),
  reason text,
  said text,
  appointment_start timestamptz,
  appointment_end timestamptz,
  changed_at timestamptz not null,
  unique (mission_id, attempt)
) with (fillfactor = 70);
create unique index offer_accepted on offer (mission_id) where status = 'accepted';
create unique index offer_live on offer (mission_id, provider_id) where status = 'live';
create index offer_of_provider on offer (provider_id, expires_at) where status = 'live';
create index offer_seen_by on offer (provider_id, mission_id);
create index offer_load on offer (day, provider_id) where status in ('live', 'accepted');
create index offer_declined on offer (changed_at, provider_id) where status in ('declined', 'expired', 'taken_back');

-- The copy of the case card: personal data, gone with its tombstone.
create table case_card (
  case_id uuid primary key,
  version int not null,
  card jsonb not null
) with (fillfactor = 70);

-- Cards that no newer one replaces until the transaction ends. A function: its second statement sees what was committed while the first waited.
create function held_cards(cases uuid[]) returns setof case_card language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended(held.id::text, 0)) from (select distinct id from unnest(cases) as c (id) order by id) held;
  return query select * from case_card where case_id = any(cases);
end $$;

-- What each provider is told, in an order of its own without gaps.
create table feed_head (
  provider_id uuid primary key references provider,
  door text not null,
  last bigint not null
) with (fillfactor = 50);

create table provider_feed (
  provider_id uuid not null,
  position bigint not null,
  mission_id uuid not null,
  kind text not null,
  document jsonb not null,
  at timestamptz not null,
  primary key (provider_id, position)
);
create index feed_by_mission on provider_feed (mission_id);
create index feed_at on provider_feed using brin (at);

create function own_provider() returns uuid language sql stable
  return nullif(current_setting('app.provider_id', true), '')::uuid;

alter table provider enable row level security;
alter table provider force row level security;
create policy staff on provider to dispatch_staff using (true) with check (true);
create policy owner on provider to dispatch_owner using (true) with check (true);
create policy outside on provider for select to dispatch_outside using (id = own_provider());

alter table offer enable row level security;
alter table offer force row level security;
create policy staff on offer to dispatch_staff using (true) with check (true);
create policy owner on offer to dispatch_owner using (true) with check (true);
create policy outside on offer to dispatch_outside using (provider_id = own_provider()) with check (provider_id = own_provider());

alter table mission enable row level security;
alter table mission force row level security;
create policy staff on mission to dispatch_staff using (true) with check (true);
create policy owner on mission to dispatch_owner using (true) with check (true);
create policy outside on mission to dispatch_outside
  using (exists (select from offer o where o.mission_id = mission.id and o.provider_id = own_provider()));

alter table case_card enable row level security;
alter table case_card force row level security;
create policy staff on case_card to dispatch_staff using (true) with check (true);
create policy owner on case_card to dispatch_owner using (true) with check (true);
create policy outside on case_card for select to dispatch_outside
  using (exists (select from mission m where m.case_id = case_card.case_id and m.provider_id = own_provider()));

alter table feed_head enable row level security;
alter table feed_head force row level security;
create policy staff on feed_head to dispatch_staff using (true) with check (true);
create policy owner on feed_head to dispatch_owner using (true) with check (true);
create policy outside on feed_head to dispatch_outside using (provider_id = own_provider()) with check (provider_id = own_provider());

alter table provider_feed enable row level security;
alter table provider_feed force row level security;
create policy staff on provider_feed to dispatch_staff using (true) with check (true);
create policy owner on provider_feed to dispatch_owner using (true) with check (true);
create policy outside on provider_feed to dispatch_outside using (provider_id = own_provider()) with check (provider_id = own_provider());

revoke all on case_file, provider_edition from dispatch_outside;
