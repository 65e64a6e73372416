-- Several rows, one person. `linked_to` is what somebody said; `survivor_id` is who counts in the end, over any number of links. A row that is
-- linked keeps its contracts and its number: files go on finding it, and undoing is exact. Of an erased person the row stays, blank, so
-- that a later file does not bring the person back.
alter table member add column survivor_id uuid references member, add column erased_at timestamptz;
create index member_by_survivor on member (survivor_id) where survivor_id is not null;
create index member_provisional on member (id) where provisional and survivor_id is null;

-- `member_id`: whose case it is, as far as is known; `opened_for`: whom intake opened it for.
alter table member_case add column opened_for uuid;
update member_case set opened_for = member_id;
alter table member_case alter column opened_for set not null;
create index case_by_member on member_case (member_id);
create index case_by_opened_for on member_case (opened_for);

-- Who said that two are one, and who took it back.
create table member_link (
  id uuid primary key,
  member_id uuid not null references member,
  into_id uuid not null references member,
  kind text not null check (kind in ('linked', 'merged')),
  at timestamptz not null,
  by_whom text not null,
  undone_at timestamptz,
  undone_by text
);
create index link_of_member on member_link (member_id);

-- Two rows that may be one person, the lower id first, as they were found; `other`: a person said that they are two.
create table duplicate (
  one_id uuid not null references member,
  other_id uuid not null references member check (one_id < other_id),
  principal_id uuid not null references principal,
  why text[] not null,
  likeness int not null,  -- of the names, in thousandths
  found_at timestamptz not null,
  state text not null default 'open' check (state in ('open', 'merged', 'other')),
  settled_by text,
  settled_at timestamptz,
  primary key (one_id, other_id)
);
create index duplicate_open on duplicate ((-likeness), one_id, other_id) where state = 'open';

-- Who a provisional member may really be. One task for all that is proposed about one of them.
create table proposal (
  provisional_id uuid not null references member,
  member_id uuid not null references member,
  why text[] not null,
  found_at timestamptz not null,
  state text not null default 'open' check (state in ('open', 'taken', 'other')),
  settled_by text,
  primary key (provisional_id, member_id)
);
create table proposal_task (
  provisional_id uuid primary key references member,
  task_id uuid not null,
  case_id uuid
);

-- Who these are now, and that they stay so until the transaction ends. A function: its second statement sees what was said while it waited.
create function hold_members(ids uuid[]) returns table (member_id uuid, survivor_id uuid, erased boolean) language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended(held.id::text, 9)) from (select distinct t.id from unnest(ids) t (id) order by t.id) held;
  return query select m.id, coalesce(m.survivor_id, m.id), m.erased_at is not null from member m where m.id = any(ids);
end $$;

-- The caller's own rows: what was merged into theirs is theirs. Read with the owner's rights, since a member sees no other row.
create function own_member_ids() returns setof uuid language sql stable security definer set search_path = public, pg_temp as $$
  select m.id from member m where nullif(current_setting('app.member_id', true), '')::uuid in (m.id, m.survivor_id)
$$;

drop policy outside on member;
create policy outside on member to reference_outside
  using (id = any (array(select own_member_ids())) or principal_id = any (current_setting('app.principal_ids', true)::uuid[]));
drop policy outside on contract;
create policy outside on contract to reference_outside
  using (member_id = any (array(select own_member_ids())) or principal_id = any (current_setting('app.principal_ids', true)::uuid[]));
drop policy outside on product;
create policy outside on product to reference_outside
  using (principal_id = any (current_setting('app.principal_ids', true)::uuid[])
    or code in (select c.product from contract c where c.member_id = any (array(select own_member_ids()))));
drop policy outside on cover;
create policy outside on cover to reference_outside
  using (member_id = any (array(select own_member_ids())) or principal_id = any (current_setting('app.principal_ids', true)::uuid[]));

-- The contracts of all rows of the person, each with the number of the one that it came by.
create or replace view member_sheet with (security_invoker = true) as
select m.id, m.principal_id, m.number, m.civility, m.last_name, m.first_name, m.name_key, m.birth_date, m.phones, m.emails, m.address, m.insee,
  m.postcode, m.language, m.provisional, m.linked_to, m.ended_on, m.version,
  coalesce((
    select jsonb_agg(jsonb_build_object('contract_id', c.id, 'number', c.number, 'product', c.product, 'label', p.label,
      'starts_on', c.starts_on, 'ends_on', c.ends_on, 'state', c.state, 'plate', c.plate, 'vin', c.vin, 'member_id', c.member_id)
      order by c.starts_on desc, c.id)
    from contract c join product p on p.code = c.product
    where c.member_id = any (m.id || array(select f.id from member f where f.survivor_id = m.id))), '[]') as contracts,
  m.survivor_id, m.erased_at is not null as erased
from member m;

revoke all on member_link, duplicate, proposal, proposal_task from reference_outside;
revoke all on function hold_members(uuid[]) from reference_outside;

-- Whoever writes it, a file above all: the row of an erased person stays blank.
create function stay_blank() returns trigger language plpgsql as $$
begin
  new.civility := ''; new.last_name := ''; new.first_name := ''; new.name_key := ''; new.birth_date := null; new.phones := '{}';
  new.emails := '{}'; new.address := ''; new.insee := null; new.postcode := null; new.erased_at := old.erased_at;
  new.ended_on := coalesce(old.ended_on, new.ended_on);
  return new;
end $$;
create trigger member_stays_blank before update on member for each row when (old.erased_at is not null) execute function stay_blank();
