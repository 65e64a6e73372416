-- Members who are said to be somebody else: their accounts see what that one sees.
create table linked_member (
  member_id uuid primary key,
  linked_to uuid not null
);
revoke all on linked_member from gateway_outside;

create function counts_as(member uuid) returns uuid language plpgsql stable as $$
declare
  found uuid := member;
  following uuid;
begin
  for steps in 1..20 loop
    select l.linked_to into following from linked_member l where l.member_id = found;
    exit when following is null;
    found := following;
  end loop;
  return found;
end $$;
