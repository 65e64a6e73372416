-- Who has exactly this number, phone (E.164), e-mail or plate; whatever is null is not asked. One round trip, planned once: what the planner
-- would find out from the values is not worth planning anew for each caller. Somebody found in two ways comes twice.
create function lookup(number text, phones text[], email text, plate text) returns setof member_sheet
language plpgsql stable set plan_cache_mode = force_generic_plan as $$
begin
  if number is not null then
    return query select * from member_sheet s where s.number = lookup.number order by s.ended_on nulls first, s.name_key limit 20;
  end if;
  if phones is not null then
    return query select * from member_sheet s where s.phones && lookup.phones order by s.ended_on nulls first, s.name_key limit 20;
  end if;
  if email is not null then
    return query select * from member_sheet s where s.emails && array[email] order by s.ended_on nulls first, s.name_key limit 20;
  end if;
  if plate is not null then
    return query select * from member_sheet s where s.id in (select c.member_id from contract c where c.plate = lookup.plate)
      order by s.ended_on nulls first, s.name_key limit 20;
  end if;
end $$;
revoke all on function lookup(text, text[], text, text) from reference_outside;
