-- Who else a contract covers: members with rows of their own, whoever holds it. Rights are the contract's, so that a household shares them.
create table beneficiary (
  id uuid primary key,
  contract_id uuid not null references contract,
  member_id uuid not null references member,
  principal_id uuid not null,
  relation text not null check (relation in ('spouse', 'child', 'parent', 'driver', 'other')),
  ended_on date,
  feed_key text not null unique,
  feed_hash bytea  -- none since a file did not name it any more
);
create index beneficiary_by_member on beneficiary (member_id, contract_id);
create index beneficiary_by_contract on beneficiary (contract_id, member_id);

alter table beneficiary enable row level security;
alter table beneficiary force row level security;
create policy staff on beneficiary to reference_staff using (true) with check (true);
create policy owner on beneficiary to reference_owner using (true) with check (true);
create policy outside on beneficiary to reference_outside
  using (member_id = any (array(select own_member_ids())) or principal_id = any (current_setting('app.principal_ids', true)::uuid[]));
revoke insert, update, delete on beneficiary from reference_outside;

-- The contracts that cover the caller, held or not.
create function own_contract_ids() returns setof uuid language sql stable security definer set search_path = public, pg_temp as $$
  select b.contract_id from beneficiary b where b.member_id = any (array(select own_member_ids()))
$$;
drop policy outside on contract;
create policy outside on contract to reference_outside
  using (member_id = any (array(select own_member_ids())) or id = any (array(select own_contract_ids()))
    or principal_id = any (current_setting('app.principal_ids', true)::uuid[]));
drop policy outside on product;
create policy outside on product to reference_outside
  using (principal_id = any (current_setting('app.principal_ids', true)::uuid[])
    or code in (select c.product from contract c where c.member_id = any (array(select own_member_ids())) or c.id = any (array(select own_contract_ids()))));

create or replace view loaded with (security_invoker = true) as
select 'principals' as kind, feed_key, feed_hash, principal_id as id from terms
union all select 'products', feed_key, feed_hash, null from product
union all select 'guarantees', feed_key, feed_hash, null from guarantee
union all select 'members', feed_key, feed_hash, id from member
union all select 'contracts', feed_key, feed_hash, id from contract
union all select 'statements', feed_key, feed_hash, id from statement
union all select 'beneficiaries', feed_key, feed_hash, id from beneficiary;

-- The contracts of all rows of the person: those held, each with the number of the one that it came by, and those that cover somebody
-- beside the holder.
create or replace view member_sheet with (security_invoker = true) as
select m.id, m.principal_id, m.number, m.civility, m.last_name, m.first_name, m.name_key, m.birth_date, m.phones, m.emails, m.address, m.insee,
  m.postcode, m.language, m.provisional, m.linked_to, m.ended_on, m.version,
  coalesce((
    select jsonb_agg(jsonb_build_object('contract_id', c.id, 'number', c.number, 'product', c.product, 'label', p.label,
      'starts_on', c.starts_on, 'ends_on', least(c.ends_on, c.until), 'state', c.state, 'plate', c.plate, 'vin', c.vin, 'member_id', c.member_id,
      'relation', c.relation) order by c.starts_on desc, c.id)
    from (
      select o.*, null::date as until, null::text as relation from contract o
      where o.member_id = any (m.id || array(select f.id from member f where f.survivor_id = m.id))
      union all
      select o.*, b.ended_on, b.relation from beneficiary b join contract o on o.id = b.contract_id
      where b.member_id = any (m.id || array(select f.id from member f where f.survivor_id = m.id))
    ) c join product p on p.code = c.product), '[]') as contracts,
  m.survivor_id, m.erased_at is not null as erased
from member m;
