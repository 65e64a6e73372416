-- Amounts beside units, when a guarantee may be used, what the principal must agree to, gestures, and why each decision was taken.
alter table guarantee
  add column cap_gross_cents_per_year bigint,
  add column overrun text not null default 'member' check (overrun in ('member', 'approval')),
  add column declare_within_days int,
  add column min_km_from_home int,
  add column one_at_a_time boolean not null default false,
  add column changed_at timestamptz not null default '-infinity';
alter table guarantee alter column changed_at set default clock_timestamp();
alter table terms add column changed_at timestamptz not null default '-infinity';
alter table terms alter column changed_at set default clock_timestamp();

alter table rights
  add column used_cents bigint not null default 0,
  add column reserved_cents bigint not null default 0;

alter table cover
  add column occurred_on date,
  add column declared_on date,
  add column estimate_gross_cents bigint,
  add column cap_gross_cents_per_year bigint,
  add column decided_at timestamptz,
  add column tried jsonb not null default '[]',  -- every contract and guarantee tried: its rules, and its rights as they stood
  add column at_risk boolean not null default false,
  add column performed boolean not null default false,
  add column approval_cents bigint,
  add column approval_due timestamptz,
  add column billed_cents bigint not null default 0,
  add column member_cents bigint not null default 0,
  add column charged boolean not null default false,
  add column goodwill_by text,
  add column goodwill_actor text,
  add column goodwill_reason text,
  drop constraint cover_status_check,
  add constraint cover_status_check check (status in ('asked', 'granted', 'refused', 'lost', 'released', 'consumed')),
  drop constraint cover_check,
  add constraint cover_check check (status not in ('asked', 'granted', 'consumed', 'released')
    or (contract_id is not null and guarantee is not null and period_start is not null));
-- An id made by us begins with its time.
update cover set decided_at = to_timestamp(('x' || translate(left(decision_id::text, 13), '-', ''))::bit(48)::bigint / 1000.0);
create index cover_by_case on cover (case_id);

-- What a principal was asked to agree to, one row per decision, answered or not.
create table approval (
  id uuid primary key,
  need_id uuid not null references cover,
  principal_id uuid not null,
  amount_cents bigint not null,
  asked_at timestamptz not null,
  due_at timestamptz not null,
  state text not null check (state in ('asked', 'granted', 'refused', 'expired', 'withdrawn')),
  reason text,
  answered_at timestamptz,
  answered_by text,
  answered_kind text
);
create index approval_by_principal on approval (principal_id, id);
create index approval_waiting on approval (id) where state = 'asked';

-- When a member had left, until that was put right or changed.
create table member_past (
  member_id uuid not null references member,
  until timestamptz not null,
  ended_on date,
  primary key (member_id, until)
);
create function keep_member() returns trigger language plpgsql as $$
begin
  insert into member_past values (old.id, clock_timestamp(), old.ended_on);
  return null;
end $$;
create trigger member_keeps after update on member for each row when (old.ended_on is distinct from new.ended_on) execute function keep_member();

alter table approval enable row level security;
alter table approval force row level security;
create policy staff on approval to reference_staff using (true) with check (true);
create policy owner on approval to reference_owner using (true) with check (true);
create policy outside on approval to reference_outside using (principal_id = any (current_setting('app.principal_ids', true)::uuid[]));
revoke all on member_past from reference_outside;

-- A principal answers for its own needs, and changes nothing else.
grant insert, update on cover, rights to reference_outside;
create policy outside_adds on cover as restrictive for insert to reference_outside
  with check (principal_id = any (current_setting('app.principal_ids', true)::uuid[]));
create policy outside_decides on cover as restrictive for update to reference_outside
  using (principal_id = any (current_setting('app.principal_ids', true)::uuid[]));
create policy outside_adds on rights as restrictive for insert to reference_outside with check (false);
create policy outside_decides on rights as restrictive for update to reference_outside
  using (exists (select from contract c where c.id = contract_id and c.principal_id = any (current_setting('app.principal_ids', true)::uuid[])));
