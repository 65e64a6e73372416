-- What a contract was before it changed, until when. Written by the table itself, so that no way of changing one can forget it; a first
-- load writes nothing.
alter table contract add column known_since timestamptz not null default now();

create table contract_past (
  contract_id uuid not null references contract,
  until timestamptz not null,
  version int not null,
  member_id uuid not null,
  starts_on date not null,
  ends_on date,
  state text not null,
  plate text,
  vin text,
  primary key (contract_id, until, version)
);
alter table contract_past enable row level security;
alter table contract_past force row level security;
create policy staff on contract_past to reference_staff using (true) with check (true);
create policy owner on contract_past to reference_owner using (true) with check (true);
create policy outside on contract_past to reference_outside using (exists (select from contract c where c.id = contract_id));
revoke insert, update, delete on contract_past from reference_outside;

create function keep_contract() returns trigger language plpgsql as $$
begin
  insert into contract_past values (old.id, clock_timestamp(), old.version, old.member_id, old.starts_on, old.ends_on, old.state, old.plate, old.vin);
  return null;
end $$;
create trigger contract_keeps after update on contract for each row
  when ((old.member_id, old.starts_on, old.ends_on, old.state, old.plate, old.vin)
    is distinct from (new.member_id, new.starts_on, new.ends_on, new.state, new.plate, new.vin))
  execute function keep_contract();
