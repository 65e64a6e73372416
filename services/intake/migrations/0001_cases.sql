create sequence case_number start 10000000 maxvalue 99999999;

create table assistance_case (
  id uuid primary key,
  number char(9) not null unique,
  principal_id uuid not null,
  member_id uuid not null,
  contract_id uuid,
  provisional boolean not null,
  channel text not null,
  open boolean not null,
  version int not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  -- the case card
  card_version int not null,
  card jsonb not null,
  phone text
) with (fillfactor = 80);
create index case_by_member on assistance_case (member_id, opened_at desc);
create index case_by_phone on assistance_case (phone);
create index case_by_time on assistance_case (opened_at desc, id desc);

create table need (
  id uuid primary key,
  case_id uuid not null references assistance_case,
  rank int not null,
  service text not null,
  wish jsonb not null,
  settled_wish jsonb,
  status text not null check (status in ('open', 'refused', 'cancelled', 'performed')),
  started boolean not null,
  at_risk boolean not null,
  unique (case_id, rank)
) with (fillfactor = 80);

-- ISO 7064 Mod 11,10, as everybody's libraries compute it.
create function check_digit(digits text) returns text language plpgsql immutable as $$
declare
  product int := 10;
begin
  for place in 1..length(digits) loop
    product := (product + substr(digits, place, 1)::int) % 10;
    product := (case product when 0 then 10 else product end * 2) % 11;
  end loop;
  return (11 - product) % 10;
end $$;

-- A case, its number and its needs in one round trip.
create function open_case(opened assistance_case, needs jsonb) returns text language plpgsql as $$
declare
  serial text := nextval('case_number');
begin
  opened.number := serial || check_digit(serial);
  insert into assistance_case select opened.*;
  insert into need
  select n.id, opened.id, n.rank, n.service, n.wish, n.settled_wish, n.status, n.started, n.at_risk
  from jsonb_populate_recordset(null::need, needs) n;
  return opened.number;
end $$;

create table note (
  id uuid primary key,
  case_id uuid not null references assistance_case,
  need_id uuid references need,
  author_id text not null,
  author_kind text not null,
  text text not null,
  at timestamptz not null
);
create index note_by_case on note (case_id, at);

create table draft (
  id uuid primary key,
  owner_id text not null,
  form jsonb not null,
  version int not null,
  at timestamptz not null
);
create index draft_by_owner on draft (owner_id, at desc);

-- What intake must know of principals: whether, and up to what, a case may go on without a decision.
create table principal (
  id uuid primary key,
  at_risk_limit_cents bigint not null
);

alter table assistance_case enable row level security;
alter table assistance_case force row level security;
create policy staff on assistance_case to intake_staff using (true) with check (true);
create policy owner on assistance_case to intake_owner using (true) with check (true);
create policy outside on assistance_case to intake_outside
  using (member_id::text = current_setting('app.member_id', true) or principal_id = any (current_setting('app.principal_ids', true)::uuid[]))
  with check (member_id::text = current_setting('app.member_id', true));

alter table need enable row level security;
alter table need force row level security;
create policy staff on need to intake_staff using (true) with check (true);
create policy owner on need to intake_owner using (true) with check (true);
create policy outside on need to intake_outside using (exists (select from assistance_case c where c.id = case_id));

alter table note enable row level security;
alter table note force row level security;
create policy staff on note to intake_staff using (true) with check (true);
create policy owner on note to intake_owner using (true) with check (true);
create policy outside on note to intake_outside using (exists (select from assistance_case c where c.id = case_id));

revoke all on draft from intake_outside;
