-- Whose case it is; none for those opened before this was kept.
alter table case_file add column member_id uuid;
create index case_file_by_member on case_file (member_id);

-- Whose copies are blanked, also when a card comes late or a database is restored.
create table erased_member (
  member_id uuid primary key,
  requested_at timestamptz not null
);
revoke all on erased_member from dispatch_outside;
