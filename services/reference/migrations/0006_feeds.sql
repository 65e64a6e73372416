-- Members and contracts that a file has changed and that nobody was told of yet: a load ends when they are stored, telling follows.
create table untold (
  kind text not null check (kind in ('members', 'contracts')),
  id uuid not null,
  primary key (kind, id)
);
revoke all on untold from reference_outside;

-- What a row names is there: asked once per statement instead of once per row and name, since a file brings a million. Nothing that is
-- named is ever deleted: rows end with a date.
revoke delete on principal, product, member from reference_staff;
alter table member drop constraint member_principal_id_fkey;
alter table contract drop constraint contract_principal_id_fkey, drop constraint contract_product_fkey, drop constraint contract_member_id_fkey;

create function member_names_known() returns trigger language plpgsql set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  if exists (select from fresh f left join principal p on p.id = f.principal_id where p.id is null) then
    raise foreign_key_violation using message = 'member: unknown principal';
  end if;
  return null;
end $$;
create trigger member_names_known after insert on member referencing new table as fresh
  for each statement execute function member_names_known();

create function contract_names_known() returns trigger language plpgsql set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  if exists (
    select from fresh f left join member m on m.id = f.member_id left join product d on d.code = f.product and d.principal_id = f.principal_id
    where m.id is null or d.code is null
  ) then
    raise foreign_key_violation using message = 'contract: unknown member or product, or a product of another principal';
  end if;
  return null;
end $$;
create trigger contract_names_known_at_first after insert on contract referencing new table as fresh
  for each statement execute function contract_names_known();
create trigger contract_names_known_later after update on contract referencing new table as fresh
  for each statement execute function contract_names_known();
