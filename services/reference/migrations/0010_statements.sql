-- What a principal has paid back to a member, or will: one line of its own accounts, as its feed delivers it.
create table statement (
  id uuid primary key,
  principal_id uuid not null references principal,
  member_id uuid not null references member,
  contract_id uuid references contract,
  reference text not null,
  issued_on date not null,
  label text not null,
  paid_gross_cents bigint not null check (paid_gross_cents >= 0),
  pending_gross_cents bigint not null check (pending_gross_cents >= 0),
  due_on date,
  paid_on date,
  withdrawn_on date,  -- the last day it was of any meaning; none while it is
  search_key text collate "C" not null,  -- the words that it is found by, each after a space: domain/statements.py
  feed_key text not null unique,
  feed_hash bytea  -- none since a file did not name it any more
) with (fillfactor = 80);
create index statement_by_member on statement (member_id, issued_on desc, id desc);
create index statement_by_principal on statement (principal_id);

create or replace view loaded with (security_invoker = true) as
select 'principals' as kind, feed_key, feed_hash, principal_id as id from terms
union all select 'products', feed_key, feed_hash, null from product
union all select 'guarantees', feed_key, feed_hash, null from guarantee
union all select 'members', feed_key, feed_hash, id from member
union all select 'contracts', feed_key, feed_hash, id from contract
union all select 'statements', feed_key, feed_hash, id from statement;

alter table statement enable row level security;
alter table statement force row level security;
create policy staff on statement to reference_staff using (true) with check (true);
create policy owner on statement to reference_owner using (true) with check (true);
-- A comparison of ids, so that the index on them serves the policy itself.
create policy outside on statement to reference_outside using (member_id = any (array(select own_member_ids())));
revoke insert, update, delete on statement from reference_outside;

-- A member may read who stands behind their contracts.
create policy member on principal to reference_outside
  using (id in (select c.principal_id from contract c where c.member_id = any (array(select own_member_ids())))
    or id in (select m.principal_id from member m where m.id = any (array(select own_member_ids()))));
