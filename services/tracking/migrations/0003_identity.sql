-- A case may turn out to be another member's: its visits follow.
create index visit_by_case on visit (case_id);

-- Whose copies are blanked, also when a card comes late or a database is restored.
create table erased_member (
  member_id uuid primary key,
  requested_at timestamptz not null
);
revoke all on erased_member from tracking_outside;
