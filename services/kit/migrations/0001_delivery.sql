-- What delivery needs in every service's database.
create schema kit;

create table kit.counter (
  topic text not null,
  key text not null,
  last bigint not null,
  primary key (topic, key)
) with (fillfactor = 80);

-- Everything a service has said, in order; a row is written once and never changed.
create table kit.outbox (
  id bigint generated always as identity primary key,
  aggregatetype text not null,
  aggregateid text not null,
  seq bigint not null,
  type text not null,
  event_id uuid not null,
  payload bytea,
  correlation_id uuid not null,
  causation_id uuid not null,
  traceparent text not null,
  at timestamptz not null
);
create index outbox_at on kit.outbox using brin (at);

-- What of it the broker has not confirmed yet. Apart, because marking a row in a table of whole events would write the event again.
create table kit.unsent (
  lane smallint not null check (lane in (0, 1)),
  id bigint not null,
  topic text not null,
  key text not null,
  primary key (lane, id)  -- who does not know the lane asks for both
) with (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.05);
create index unsent_bulk on kit.unsent (topic, key) where lane = 1;

-- Topics that refuse us, missing or not ours to write: their rows wait, the others go on.
create table kit.refused (
  topic text primary key,
  cause text not null,
  since timestamptz not null,
  waits interval not null,
  until timestamptz not null
);

-- The last place in the log that the relay knows to hold a row of ours: a restored database compares itself with what follows.
create table kit.published (
  topic text not null,
  partition int not null,
  last_offset bigint not null,
  last_row bigint not null,
  primary key (topic, partition)
) with (fillfactor = 50);

create table kit.lease (
  name text primary key,
  token uuid not null,
  until timestamptz not null
) with (fillfactor = 50);

create table kit.mark (
  topic text not null,
  source text not null,
  key text not null,
  seq bigint not null,
  primary key (topic, key, source)
) with (fillfactor = 70, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.05);

create table kit.position (
  topic text not null,
  partition int not null,
  next_offset bigint not null,
  primary key (topic, partition)
) with (fillfactor = 50);

create table kit.parked_key (
  topic text not null,
  key text not null,
  reason text not null check (reason in ('failed', 'gap', 'undecodable', 'not_owner')),
  cause text not null,
  tries int not null default 1,
  since timestamptz not null,
  next_try timestamptz,
  primary key (topic, key)
);

create table kit.parked (
  id bigint generated always as identity primary key,
  topic text not null,
  partition int not null,
  log_offset bigint not null,
  key text not null,
  raw_key bytea,
  source text,
  type text,
  seq bigint,
  headers jsonb not null,
  value bytea,
  at timestamptz not null
);
create index parked_by_key on kit.parked (topic, key, id);

create table kit.parked_audit (
  id bigint generated always as identity primary key,
  topic text not null,
  key text not null,
  type text,
  seq bigint,
  action text not null check (action in ('retry', 'skip', 'done_by_hand', 'resume')),
  by_whom text not null,
  reason text not null,
  at timestamptz not null
);

create table kit.deadline (
  id bigint generated always as identity primary key,
  kind text not null,
  key text not null,
  due_at timestamptz not null,
  tries int not null default 0,
  unique (kind, key)
);
create index deadline_due on kit.deadline (due_at);

create table kit.idempotency (
  caller text not null,
  route text not null,
  key text not null,
  body_hash bytea not null,
  status int not null,
  headers jsonb not null,
  body bytea not null,
  at timestamptz not null,
  primary key (caller, route, key)
);
create index idempotency_at on kit.idempotency using brin (at);

create table kit.paused (
  topic text primary key,
  task_id uuid not null,
  since timestamptz not null
);
