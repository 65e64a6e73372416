-- What goes out by mail and SMS. Whom to and what are forgotten before the row is: bodies of deliveries live 30 days.
create table kit.notice (
  id uuid primary key,
  key text not null unique,
  channel text not null check (channel in ('email', 'sms')),
  recipient text,
  language text not null,
  subject text not null default '',
  body text,
  zone text not null,
  urgent boolean not null,
  kept boolean not null,
  state text not null default 'waiting' check (state in ('waiting', 'sent', 'given_up')),
  reason text,
  tries int not null default 0,
  put_at timestamptz not null,
  next_try timestamptz,
  until timestamptz not null,
  ended_at timestamptz,
  check ((state = 'waiting') = (next_try is not null)),
  check (state <> 'waiting' or (recipient is not null and body is not null))
) with (fillfactor = 70);
create index notice_due on kit.notice (next_try) where state = 'waiting';
create index notice_ended on kit.notice (ended_at) where ended_at is not null;
create index notice_to on kit.notice (recipient) where recipient is not null;

-- Who calls from outside may put one, and read none.
alter table kit.notice enable row level security;
create policy put on kit.notice for insert with check (true);
create policy inside on kit.notice using (current_user not like '%\_outside');
