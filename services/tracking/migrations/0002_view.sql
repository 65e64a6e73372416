-- The folded cases, from the log alone. Made by functions, so that a rebuild makes the same tables beside and swaps them.
create function view_make(target text) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $make$
begin
  execute format('drop schema if exists %I cascade', target);
  execute format('create schema %I', target);
  execute format($sql$
    create table %1$I.case_view (
      case_id uuid primary key,
      fold_version int not null,
      folded bytea not null,
      events int not null,
      needs int not null,
      number text,
      principal_id uuid,
      member_id uuid,
      provider_ids uuid[] not null,
      state text not null,
      waiting_for text check (waiting_for in ('agent', 'member', 'provider', 'principal', 'system')),
      waiting_since timestamptz,
      next_date timestamptz,
      is_open boolean not null generated always as (waiting_for is not null) stored,
      opened_at timestamptz,
      last_event_at timestamptz not null,
      crossings int not null,
      not_understood int not null,
      anomalies int not null,
      -- No case is forgotten: an open one waits for somebody, since when, until when.
      check ((waiting_for is null) = (needs = 0 or state in ('refused', 'performed', 'cancelled', 'closed'))),
      check ((waiting_for is null) = (waiting_since is null) and (waiting_for is null) = (next_date is null))
    ) with (fillfactor = 50, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.05);
    -- None on what changes with every event: updates stay within their page.
    create unique index case_by_number on %1$I.case_view (number);
    create index case_by_time on %1$I.case_view (opened_at desc, case_id desc);
    create index case_open on %1$I.case_view (opened_at) where is_open;
    create index case_by_principal on %1$I.case_view (principal_id, opened_at desc);
    create index case_by_member on %1$I.case_view (member_id);

    create table %1$I.need_view (
      need_id uuid primary key,
      case_id uuid not null,
      rank int not null,
      service text not null,
      insee text not null,
      departement text not null,
      state text not null,
      waiting_for text check (waiting_for in ('agent', 'member', 'provider', 'principal', 'system')),
      waiting_since timestamptz,
      next_date timestamptz,
      provider_id uuid,
      mission_id uuid,
      check ((waiting_for is null) = (state in ('refused', 'performed', 'cancelled'))),
      check ((waiting_for is null) = (waiting_since is null) and (waiting_for is null) = (next_date is null))
    ) with (fillfactor = 70);
    create index need_by_case on %1$I.need_view (case_id, rank);

    create table %1$I.timeline (
      case_id uuid not null,
      place int not null,
      event_id uuid not null,
      source text not null,
      seq bigint not null,
      type text not null,
      need_id uuid,
      at timestamptz not null,
      data jsonb,
      primary key (case_id, place)
    );

    alter table %1$I.case_view enable row level security;
    alter table %1$I.case_view force row level security;
    create policy staff on %1$I.case_view to tracking_staff using (true) with check (true);
    create policy owner on %1$I.case_view to tracking_owner using (true) with check (true);
    create policy outside on %1$I.case_view for select to tracking_outside using (
      principal_id = any (current_setting('app.principal_ids', true)::uuid[])
      or member_id::text = current_setting('app.member_id', true)
      or provider_ids @> array[nullif(current_setting('app.provider_id', true), '')::uuid]);

    alter table %1$I.need_view enable row level security;
    alter table %1$I.need_view force row level security;
    create policy staff on %1$I.need_view to tracking_staff using (true) with check (true);
    create policy owner on %1$I.need_view to tracking_owner using (true) with check (true);
    create policy outside on %1$I.need_view for select to tracking_outside
      using (exists (select from %1$I.case_view c where c.case_id = need_view.case_id));

    revoke all on %1$I.timeline from tracking_outside;
    revoke insert, update, delete on %1$I.case_view, %1$I.need_view from tracking_outside;
  $sql$, target);
end
$make$;

create function view_swap() returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $swap$
begin
  drop schema view cascade;
  alter schema view_next rename to view;
end
$swap$;

revoke execute on function view_make(text), view_swap() from tracking_outside;

select view_make('view');
