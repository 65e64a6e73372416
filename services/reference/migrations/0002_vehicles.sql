-- The vehicle that a contract is about. The plate as it is compared: capitals and digits alone.
alter table contract add column plate text, add column vin text;
create index contract_by_plate on contract (plate) where plate is not null;

create or replace view member_sheet with (security_invoker = true) as
select m.id, m.principal_id, m.number, m.civility, m.last_name, m.first_name, m.name_key, m.birth_date, m.phones, m.emails, m.address, m.insee,
  m.postcode, m.language, m.provisional, m.linked_to, m.ended_on, m.version,
  coalesce((
    select jsonb_agg(jsonb_build_object('contract_id', c.id, 'number', c.number, 'product', c.product, 'label', p.label,
      'starts_on', c.starts_on, 'ends_on', c.ends_on, 'state', c.state, 'plate', c.plate, 'vin', c.vin) order by c.starts_on desc, c.id)
    from contract c join product p on p.code = c.product where c.member_id = m.id), '[]') as contracts
from member m;
