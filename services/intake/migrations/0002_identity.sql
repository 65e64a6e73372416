-- `member_id`: whose case it is, as far as reference knows; `opened_for`: whom it was opened for.
alter table assistance_case add column opened_for uuid;
update assistance_case set opened_for = member_id;
alter table assistance_case alter column opened_for set not null;
create index case_by_opened_for on assistance_case (opened_for) where opened_for <> member_id;

-- Copies of the members' cards, for cases that turn out to be theirs after the card has come: a tombstone keeps its version alone.
create table member_card (
  member_id uuid primary key,
  version int not null,
  content jsonb
) with (fillfactor = 70);

-- Whose cases are forgotten as soon as they are closed.
create table erased_member (
  member_id uuid primary key,
  requested_at timestamptz not null
);

revoke all on member_card, erased_member from intake_outside;
