-- Who may come in: people, machines, their sessions, and each attempt to sign in.
create table account (
  id uuid primary key,
  login text not null unique check (login = lower(login)),
  password_hash text not null,
  roles text[] not null,
  principal_ids uuid[] not null,
  provider_id uuid,
  member_id uuid,
  name text not null,
  language text not null,
  active boolean not null,
  version int not null,
  created_at timestamptz not null
);

create table client (
  id uuid primary key,
  client_id text not null unique,
  secret_hash text not null,
  name text not null,
  roles text[] not null,
  scopes text[] not null,
  principal_ids uuid[] not null,
  provider_id uuid,
  member_id uuid,
  active boolean not null,
  created_at timestamptz not null
);

-- The token itself is only in the browser's cookie.
create table session (
  token_sha256 bytea primary key,
  account_id uuid not null references account,
  created_at timestamptz not null,
  seen_at timestamptz not null,
  expires_at timestamptz not null
);
create index session_account on session (account_id);
create index session_expires on session (expires_at);

-- Both the audit and what attempts are limited by. A login as typed may be somebody else's, or a password: only its digest is kept.
create table attempt (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('person', 'machine')),
  login_sha256 bytea not null,
  address text not null,
  subject_id uuid,
  outcome text not null check (outcome in ('started', 'signed_in', 'wrong', 'locked')),
  at timestamptz not null
);
create index attempt_login on attempt (login_sha256, at);
create index attempt_address on attempt (address, at);

-- Nobody from outside has business here: the gateway alone reads these, as staff.
revoke all on account, client, session, attempt from gateway_outside;
