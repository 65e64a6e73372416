-- What tracking owns itself: visits. Not rebuilt from the log.
create table visit (
  id uuid primary key,
  case_id uuid not null,
  need_id uuid not null,
  mission_id uuid not null,
  offer_id uuid not null unique,
  provider_id uuid not null,
  member_id uuid not null,
  service text not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  state text not null check (state in ('scheduled', 'in_progress', 'done', 'failed', 'cancelled')),
  eta timestamptz,
  started_at timestamptz,
  completed_at timestamptz,
  prestation_id uuid unique,
  lines jsonb not null,
  reason text,
  rating int,
  task_id uuid unique,
  task_kind text,
  version int not null,
  check ((state in ('failed', 'cancelled')) = (reason is not null)),
  check ((state = 'done') = (prestation_id is not null))
) with (fillfactor = 80);
create index visit_by_need on visit (need_id);
create index visit_by_mission on visit (mission_id, provider_id, id);
create unique index visit_that_counts on visit (need_id) where state in ('scheduled', 'in_progress', 'done');

-- The one list of tasks for people, whoever opened them.
create table task (
  id uuid primary key,
  opener text not null,
  kind text not null,
  role text not null,
  reason text,
  case_id uuid,
  need_id uuid,
  due_at timestamptz not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  outcome text,
  taken_by text,
  taken_at timestamptz,
  version int not null
) with (fillfactor = 80);
create index task_open on task (due_at, id) where closed_at is null;
create index task_by_case on task (case_id);

-- Copies of cards, by version: a tombstone keeps its version and loses its content.
create table card (
  kind text not null,
  id uuid not null,
  version int not null,
  content jsonb,
  terms text[] not null,
  primary key (kind, id)
);
create index card_by_term on card using gin (terms);

create table organisation (
  id uuid primary key,
  label text not null
);

-- In which articles of the tariffs a provider says what was done.
create table article (
  rank bigint generated always as identity,
  service text not null,
  article text not null,
  unit text not null,
  primary key (service, article, unit)
);

-- What the live stream tells: the last change of each topic. Written under an advisory lock, so that seq order is commit order.
create sequence change_seq;
create table change (
  topic text primary key,
  case_id uuid,
  seq bigint not null,
  at timestamptz not null default now()
) with (fillfactor = 60);
create index change_by_seq on change (seq);

alter table visit enable row level security;
alter table visit force row level security;
create policy staff on visit to tracking_staff using (true) with check (true);
create policy owner on visit to tracking_owner using (true) with check (true);
create policy outside on visit to tracking_outside
  using (provider_id::text = current_setting('app.provider_id', true) or member_id::text = current_setting('app.member_id', true));

revoke all on task, card from tracking_outside;
revoke insert, update, delete on organisation, article from tracking_outside;
