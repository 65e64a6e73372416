-- Who asks for the code that opens an account. There is a row whether or not there is such a member: only the worker finds out.
-- Number and birth date stay until it has, a few seconds; then their digest alone.
create table join_request (
  id uuid primary key,
  who_sha256 bytea not null,
  address_sha256 bytea not null,
  number text,
  birth_date date,
  channel text not null check (channel in ('email', 'sms')),
  member_id uuid references member,
  code_hash bytea,
  tries int not null default 0,
  made_at timestamptz not null,
  ends_at timestamptz not null,
  used_at timestamptz
);
create index join_request_who on join_request (who_sha256, made_at);
create index join_request_address on join_request (address_sha256, made_at);
create index join_request_made on join_request (made_at);

-- Codes tried, by the address that they were tried from.
create table join_try (
  id bigint generated always as identity primary key,
  address_sha256 bytea not null,
  at timestamptz not null
);
create index join_try_address on join_try (address_sha256, at);

revoke all on join_request, join_try from reference_outside;
