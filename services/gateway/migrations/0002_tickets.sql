-- Tickets that have opened an account: each is used once.
create table used_ticket (
  id uuid primary key,
  ends_at timestamptz not null
);
revoke all on used_ticket from gateway_outside;
create index account_member on account (member_id) where member_id is not null;
