create table principal (
  id uuid primary key,
  code text not null unique,
  label text not null,
  siren char(9) not null,
  ended_on date
);

-- The terms of a principal, each from its day.
create table terms (
  principal_id uuid not null references principal,
  valid_from date not null,
  fee_net_cents bigint not null,
  markup_rate numeric not null,
  vat_rate numeric not null,
  at_risk_limit_cents bigint not null,
  approval_above_cents bigint,
  feed_key text not null unique,
  feed_hash bytea not null,
  primary key (principal_id, valid_from)
);

create table product (
  code text primary key,
  label text not null,
  principal_id uuid not null references principal,
  feed_key text not null unique,
  feed_hash bytea not null
);

-- What a product entitles to, each version from its day. Empty area: everywhere.
create table guarantee (
  product text not null references product,
  code text not null,
  valid_from date not null,
  services text[] not null,
  counts text not null check (counts in ('interventions', 'units')),
  units_per_year numeric,
  cap_gross_cents bigint,
  member_rate numeric not null,
  waiting_days int not null,
  area text[] not null,
  excluded text[] not null,
  feed_key text not null unique,
  feed_hash bytea not null,
  primary key (product, code, valid_from)
);

create sequence provisional_number;

create table member (
  id uuid primary key,
  principal_id uuid not null references principal,
  number text not null,
  civility text not null,
  last_name text not null,
  first_name text not null,
  name_key text collate "C" not null,  -- last and first name without accents or case
  birth_date date,
  phones text[] not null,
  emails text[] not null,
  address text not null,
  insee text,
  postcode text,
  language text not null,
  provisional boolean not null default false,
  linked_to uuid references member,
  ended_on date,
  version int not null,
  card_version int not null,
  open_cases int not null,
  feed_key text unique,
  feed_hash bytea
) with (fillfactor = 80);
create index member_by_number on member (number);
create index member_by_phone on member using gin (phones) with (fastupdate = off);
create index member_by_birth on member (birth_date, name_key);
create index member_by_email on member using gin (emails) with (fastupdate = off);
create index member_by_name on member (name_key);
create index member_by_town on member (insee, name_key, id);

-- Whose case it is, and whether it is open: while a member has an open one, the member's card is published.
create table member_case (
  case_id uuid primary key,
  member_id uuid not null,
  open boolean not null
);

create table contract (
  id uuid primary key,
  number text not null,
  principal_id uuid not null references principal,
  member_id uuid not null references member,
  product text not null references product,
  starts_on date not null,
  ends_on date,
  state text not null check (state in ('active', 'suspended')),
  version int not null,
  feed_key text not null unique,
  feed_hash bytea  -- none since a file did not name it any more
) with (fillfactor = 80);
create index contract_by_member on contract (member_id);
create index contract_by_product on contract (product, id);

-- Units of a guarantee in one contract year; the row that a binding decision locks.
create table rights (
  contract_id uuid not null references contract,
  guarantee text not null,
  period_start date not null,
  used numeric not null,
  reserved numeric not null check (reserved >= 0),
  primary key (contract_id, guarantee, period_start)
) with (fillfactor = 60);

-- One row per need: what was asked, and the last decision about it.
create table cover (
  need_id uuid primary key,
  case_id uuid not null,
  member_id uuid not null,
  principal_id uuid not null,
  asked_contract_id uuid,
  service text not null,
  insee text not null,
  departement text not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  quantity numeric not null,
  unit text not null,
  decision_id uuid not null,
  status text not null check (status in ('granted', 'refused', 'lost', 'released', 'consumed')),
  reason text,
  contract_id uuid,
  guarantee text,
  period_start date,
  counts text,
  units numeric not null,
  units_per_year numeric,
  cap_gross_cents bigint,
  member_rate numeric not null,
  renews_on date,
  expires_at timestamptz,
  trace text[] not null,
  need_open boolean not null,
  task_id uuid,
  check (status not in ('granted', 'consumed', 'released') or (contract_id is not null and guarantee is not null and period_start is not null))
) with (fillfactor = 70);
create index cover_by_member on cover (member_id, need_id);
create index cover_by_task on cover (task_id) where task_id is not null;

-- Each file that was loaded. `asks`: it would end more than it may, and waits for a person; nothing of it is written.
create table feed_run (
  id uuid primary key,
  kind text not null,
  file text not null,
  digest bytea not null,
  mode text not null check (mode in ('full', 'delta')),
  principal_ids uuid[] not null default '{}',
  state text not null check (state in ('loading', 'asks', 'done', 'failed', 'abandoned')),
  reason text,
  began_at timestamptz not null,
  ended_at timestamptz,
  lines int not null default 0,
  changed int not null default 0,
  refused int not null default 0,
  vanished int not null default 0,
  known int not null default 0,
  ended int not null default 0,
  settled_by text
);
create index feed_run_by_time on feed_run (began_at desc);

-- Rows that could not be taken: our fields as the file had them, none for a line that is no row.
create table feed_refused (
  id bigint generated always as identity primary key,
  run_id uuid not null references feed_run,
  kind text not null,
  line int not null,
  key text,
  cells text,
  reason text not null,
  field text not null,
  state text not null default 'open' check (state in ('open', 'repaired', 'dropped', 'superseded')),
  settled_by text,
  settled_at timestamptz
);
create index feed_refused_by_key on feed_refused (kind, key) where state = 'open';
create index feed_refused_by_run on feed_refused (run_id, key);

-- Rows of a file being loaded. Text, since COPY is binary and our codecs for uuid and jsonb are not.
create unlogged table staged (
  feed text not null,
  line int not null,
  key text not null,
  hash bytea not null,
  content text not null,
  primary key (feed, line)
);

-- A member with the contracts held, as readers see it: under the reader's own policies.
create view member_sheet with (security_invoker = true) as
select m.id, m.principal_id, m.number, m.civility, m.last_name, m.first_name, m.name_key, m.birth_date, m.phones, m.emails, m.address, m.insee,
  m.postcode, m.language, m.provisional, m.linked_to, m.ended_on, m.version,
  coalesce((
    select jsonb_agg(jsonb_build_object('contract_id', c.id, 'number', c.number, 'product', c.product, 'label', p.label,
      'starts_on', c.starts_on, 'ends_on', c.ends_on, 'state', c.state) order by c.starts_on desc, c.id)
    from contract c join product p on p.code = c.product where c.member_id = m.id), '[]') as contracts
from member m;

-- What was loaded from files, whatever its kind.
create view loaded with (security_invoker = true) as
select 'principals' as kind, feed_key, feed_hash, principal_id as id from terms
union all select 'products', feed_key, feed_hash, null from product
union all select 'guarantees', feed_key, feed_hash, null from guarantee
union all select 'members', feed_key, feed_hash, id from member
union all select 'contracts', feed_key, feed_hash, id from contract;

alter table principal enable row level security;
alter table principal force row level security;
create policy staff on principal to reference_staff using (true) with check (true);
create policy owner on principal to reference_owner using (true) with check (true);
create policy outside on principal to reference_outside using (id = any (current_setting('app.principal_ids', true)::uuid[]));

alter table terms enable row level security;
alter table terms force row level security;
create policy staff on terms to reference_staff using (true) with check (true);
create policy owner on terms to reference_owner using (true) with check (true);
create policy outside on terms to reference_outside using (principal_id = any (current_setting('app.principal_ids', true)::uuid[]));

alter table member enable row level security;
alter table member force row level security;
create policy staff on member to reference_staff using (true) with check (true);
create policy owner on member to reference_owner using (true) with check (true);
create policy outside on member to reference_outside
  using (id::text = current_setting('app.member_id', true) or principal_id = any (current_setting('app.principal_ids', true)::uuid[]));

alter table contract enable row level security;
alter table contract force row level security;
create policy staff on contract to reference_staff using (true) with check (true);
create policy owner on contract to reference_owner using (true) with check (true);
create policy outside on contract to reference_outside
  using (member_id::text = current_setting('app.member_id', true) or principal_id = any (current_setting('app.principal_ids', true)::uuid[]));

alter table product enable row level security;
alter table product force row level security;
create policy staff on product to reference_staff using (true) with check (true);
create policy owner on product to reference_owner using (true) with check (true);
create policy outside on product to reference_outside
  using (principal_id = any (current_setting('app.principal_ids', true)::uuid[])
    or code in (select c.product from contract c where c.member_id::text = current_setting('app.member_id', true)));

alter table guarantee enable row level security;
alter table guarantee force row level security;
create policy staff on guarantee to reference_staff using (true) with check (true);
create policy owner on guarantee to reference_owner using (true) with check (true);
create policy outside on guarantee to reference_outside using (exists (select from product p where p.code = product));

alter table rights enable row level security;
alter table rights force row level security;
create policy staff on rights to reference_staff using (true) with check (true);
create policy owner on rights to reference_owner using (true) with check (true);
create policy outside on rights to reference_outside using (exists (select from contract c where c.id = contract_id));

alter table cover enable row level security;
alter table cover force row level security;
create policy staff on cover to reference_staff using (true) with check (true);
create policy owner on cover to reference_owner using (true) with check (true);
create policy outside on cover to reference_outside
  using (member_id::text = current_setting('app.member_id', true) or principal_id = any (current_setting('app.principal_ids', true)::uuid[]));

revoke all on staged, feed_run, feed_refused, member_case, loaded from reference_outside;
revoke insert, update, delete on principal, terms, product, guarantee, member, contract, rights, cover, member_sheet from reference_outside;
