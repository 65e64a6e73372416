-- What people changed of a member: one row a field, in the order of the commits (the member's row is locked). A row guards its value against
-- the principal's files until it is settled: confirmed by a file, overruled by one, or followed by a file that knows better.
create table member_change (
  id bigint generated always as identity primary key,
  amendment uuid not null,  -- what was changed at once; the webhook's message id
  member_id uuid not null references member,
  principal_id uuid not null references principal,
  feed_key text,  -- none of a provisional member, whom no file names
  field text not null,
  old jsonb not null,
  new jsonb not null,
  reason text,
  by_kind text not null,
  by_id text,
  door text not null,
  at timestamptz not null,
  exported_at timestamptz,
  acknowledged_at timestamptz,
  settled_at timestamptz,
  pushed_at timestamptz,
  push_tries int not null default 0,
  push_failed boolean not null default false
);
create index member_change_by_member on member_change (member_id, id);
create index member_change_unsettled on member_change (feed_key) where settled_at is null and feed_key is not null;
create index member_change_unacknowledged on member_change (principal_id, member_id) where acknowledged_at is null and feed_key is not null;
create index member_change_unpushed on member_change (member_id, id) where pushed_at is null;

-- Both sides changed the same field. `decided` is empty while a person is asked; ours stays until then.
create table member_conflict (
  id bigint generated always as identity primary key,
  member_id uuid not null references member,
  principal_id uuid not null references principal,
  field text not null,
  ours jsonb not null,
  theirs jsonb not null,
  rule text not null check (rule in ('ours', 'theirs', 'newest', 'ask')),
  decided text check (decided in ('ours', 'theirs')),
  at timestamptz not null,
  decided_at timestamptz,
  decided_by text
);
create unique index member_conflict_open on member_conflict (member_id, field) where decided is null;
create index member_conflict_by_time on member_conflict (id desc);
create index member_conflict_by_member on member_conflict (member_id, field);

create table feed_export (
  id uuid primary key,
  principal_id uuid not null references principal,
  file text not null,
  rows int not null,
  at timestamptz not null,
  acknowledged_at timestamptz,
  acknowledged_by text
);
create index feed_export_by_time on feed_export (at desc, id desc);

create table feed_export_change (
  export_id uuid not null references feed_export,
  change_id bigint not null references member_change,
  primary key (export_id, change_id)
);

-- To what a member has agreed, and no longer: each saying is a row, the last one of a purpose holds.
create table member_consent (
  id bigint generated always as identity primary key,
  member_id uuid not null references member,
  purpose text not null,
  given boolean not null,
  proof text not null,
  by_kind text not null,
  by_id text,
  door text not null,
  at timestamptz not null
);
create index member_consent_by_member on member_consent (member_id, purpose, id desc);

-- Per principal: the open task that tells people that its webhook does not answer.
create table webhook_trouble (
  principal_id uuid primary key references principal,
  task_id uuid not null
);

-- A rule per field for what both sides changed, of the mapping that the file came with.
alter table feed_run add column conflicts jsonb not null default '{}';

-- A member may change these of their own row, and of no other.
grant update (phones, emails, address, insee, postcode, language, civility, version, card_version) on member to reference_outside;
create policy outside_own on member as restrictive for update to reference_outside using (id::text = current_setting('app.member_id', true));

alter table member_change enable row level security;
alter table member_change force row level security;
create policy staff on member_change to reference_staff using (true) with check (true);
create policy owner on member_change to reference_owner using (true) with check (true);
create policy outside on member_change to reference_outside
  using (member_id::text = current_setting('app.member_id', true) or principal_id = any (current_setting('app.principal_ids', true)::uuid[]))
  with check (member_id::text = current_setting('app.member_id', true) or principal_id = any (current_setting('app.principal_ids', true)::uuid[]));
create policy outside_own on member_change as restrictive for insert to reference_outside
  with check (member_id::text = current_setting('app.member_id', true));
create policy outside_principal on member_change as restrictive for update to reference_outside
  using (principal_id = any (current_setting('app.principal_ids', true)::uuid[]));
revoke update, delete on member_change from reference_outside;
grant update (acknowledged_at) on member_change to reference_outside;

alter table feed_export enable row level security;
alter table feed_export force row level security;
create policy staff on feed_export to reference_staff using (true) with check (true);
create policy owner on feed_export to reference_owner using (true) with check (true);
create policy outside on feed_export to reference_outside using (principal_id = any (current_setting('app.principal_ids', true)::uuid[]));
revoke insert, update, delete on feed_export from reference_outside;
grant update (acknowledged_at, acknowledged_by) on feed_export to reference_outside;

alter table feed_export_change enable row level security;
alter table feed_export_change force row level security;
create policy staff on feed_export_change to reference_staff using (true) with check (true);
create policy owner on feed_export_change to reference_owner using (true) with check (true);
create policy outside on feed_export_change to reference_outside using (exists (select from feed_export e where e.id = export_id));
revoke insert, update, delete on feed_export_change from reference_outside;

alter table member_consent enable row level security;
alter table member_consent force row level security;
create policy staff on member_consent to reference_staff using (true) with check (true);
create policy owner on member_consent to reference_owner using (true) with check (true);
create policy outside on member_consent to reference_outside using (member_id::text = current_setting('app.member_id', true))
  with check (member_id::text = current_setting('app.member_id', true));
revoke update, delete on member_consent from reference_outside;

revoke all on member_conflict, webhook_trouble from reference_outside;
