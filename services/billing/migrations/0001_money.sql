-- What billing knows of the others.

create table assistance_case (
  id uuid primary key,
  number char(9) not null
);

create table need (
  id uuid primary key,
  case_id uuid not null,
  number text not null,
  principal_id uuid not null,
  service text not null,
  zone text not null,
  decision text check (decision in ('granted', 'refused', 'assumed_refused')),
  decision_id uuid,
  guarantee text,
  cap_gross_cents bigint,
  member_rate numeric not null default 0,
  at_risk_limit_cents bigint
) with (fillfactor = 80);
create index need_by_case on need (case_id);

create table principal (
  id uuid primary key,
  code text not null,
  label text not null,
  siren char(9) not null
);

create table terms (
  principal_id uuid not null,
  valid_from date not null,
  fee_net_cents bigint not null,
  markup_rate numeric not null,
  vat_rate numeric not null,
  primary key (principal_id, valid_from)
);

create table provider (
  id uuid primary key,
  label text not null,
  siret char(14) not null
);

-- What billing owns.

create table tariff (
  id uuid primary key,
  provider_id uuid,
  service text not null,
  valid_from date not null,
  valid_until date,
  lines jsonb not null,
  version int not null
);
create index tariff_by_service on tariff (service, provider_id);

create table prestation (
  id uuid primary key,
  case_id uuid not null,
  need_id uuid not null references need,
  number text not null,
  principal_id uuid not null,
  provider_id uuid not null,
  service text not null,
  day date not null,
  lines jsonb not null,
  bill_id uuid,
  charge_id uuid,
  waiting_for text check (waiting_for in ('tariff', 'terms', 'decision')),
  task_id uuid,
  at timestamptz not null
) with (fillfactor = 70);
create index prestation_by_need on prestation (need_id);
create index prestation_waiting on prestation (waiting_for, id) where waiting_for is not null;

create table bill (
  id uuid primary key,
  prestation_id uuid not null,
  case_id uuid not null,
  need_id uuid not null,
  number text not null,
  provider_id uuid not null,
  service text not null,
  day date not null,
  lines jsonb not null,
  vats jsonb not null,
  net_cents bigint not null,
  vat_cents bigint not null,
  gross_cents bigint not null check (gross_cents = net_cents + vat_cents),
  state text not null check (state in ('prepared', 'approved')),
  reverses uuid unique references bill,
  at timestamptz not null
) with (fillfactor = 90);
create index bill_by_time on bill (at desc, id desc);
create index bill_by_provider on bill (provider_id, at desc, id desc);
create index bill_by_case on bill (case_id);

create table invoice_series (
  series text not null,
  year int not null,
  last int not null,
  primary key (series, year)
) with (fillfactor = 50);

create table invoice (
  id uuid primary key,
  number text not null unique,
  principal_id uuid not null,
  period_from date not null,
  period_until date not null,
  issued_on date not null,
  charges int not null,
  vats jsonb not null,
  net_cents bigint not null,
  vat_cents bigint not null,
  gross_cents bigint not null check (gross_cents = net_cents + vat_cents),
  at timestamptz not null
);
create index invoice_by_time on invoice (at desc, id desc);
create index invoice_by_principal on invoice (principal_id, at desc, id desc);

create table charge (
  id uuid primary key,
  prestation_id uuid not null,
  case_id uuid not null,
  need_id uuid not null,
  number text not null,
  principal_id uuid not null,
  service text not null,
  day date not null,
  base_net_cents bigint not null,
  markup_net_cents bigint not null,
  fee_net_cents bigint not null,
  net_cents bigint not null check (net_cents = base_net_cents + markup_net_cents + fee_net_cents),
  vat_rate numeric not null,
  vat_cents bigint not null,
  gross_cents bigint not null check (gross_cents = net_cents + vat_cents),
  member_net_cents bigint not null,
  member_gross_cents bigint not null,
  reverses uuid unique references charge,
  invoice_id uuid references invoice,
  at timestamptz not null
) with (fillfactor = 80);
create index charge_by_time on charge (at desc, id desc);
create index charge_by_principal on charge (principal_id, at desc, id desc);
create index charge_by_case on charge (case_id);
create index charge_by_invoice on charge (invoice_id, number, id);
create index charge_open on charge (principal_id, day) where invoice_id is null;

-- The ledger: one entry a document, its lines sum to zero, and nothing in it ever changes.

create table entry (
  id bigint generated always as identity primary key,
  document_kind text not null check (document_kind in ('bill', 'charge', 'invoice')),
  document_id uuid not null unique,
  case_id uuid,
  need_id uuid,
  at timestamptz not null
);

create table entry_line (
  entry_id bigint not null references entry,
  account text not null check (account in ('provider_payable', 'principal_receivable', 'member_receivable', 'to_be_invoiced',
    'cost_of_services', 'revenue', 'vat_deductible', 'vat_collected')),
  cents bigint not null check (cents <> 0),
  primary key (entry_id, account)
) with (fillfactor = 100);

create function entry_balances() returns trigger language plpgsql as $$
declare
  total numeric;
begin
  select sum(cents) into total from entry_line where entry_id = new.entry_id;
  if total <> 0 then
    raise exception 'ledger entry % does not balance: % cents', new.entry_id, total using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger balances after insert on entry_line deferrable initially deferred for each row execute function entry_balances();

create function append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append-only' using errcode = 'restrict_violation';
end $$;
create trigger append_only before update or delete or truncate on entry for each statement execute function append_only();
create trigger append_only before update or delete or truncate on entry_line for each statement execute function append_only();

-- A document is never edited: only what became of it is noted.
revoke update, delete, truncate on bill, charge, invoice from billing_staff;
grant update (state) on bill to billing_staff;
grant update (invoice_id) on charge to billing_staff;

-- Outsiders read their own bills, charges and invoices, and nothing else of this.
revoke all on assistance_case, need, terms, tariff, prestation, invoice_series, entry, entry_line from billing_outside;
revoke insert, update, delete, truncate on bill, charge, invoice, principal, provider from billing_outside;

alter table bill enable row level security;
alter table bill force row level security;
create policy staff on bill to billing_staff using (true) with check (true);
create policy owner on bill to billing_owner using (true) with check (true);
create policy outside on bill for select to billing_outside using (provider_id::text = current_setting('app.provider_id', true));

alter table provider enable row level security;
alter table provider force row level security;
create policy staff on provider to billing_staff using (true) with check (true);
create policy owner on provider to billing_owner using (true) with check (true);
create policy outside on provider for select to billing_outside using (id::text = current_setting('app.provider_id', true));

alter table charge enable row level security;
alter table charge force row level security;
create policy staff on charge to billing_staff using (true) with check (true);
create policy owner on charge to billing_owner using (true) with check (true);
create policy outside on charge for select to billing_outside using (principal_id = any (current_setting('app.principal_ids', true)::uuid[]));

alter table invoice enable row level security;
alter table invoice force row level security;
create policy staff on invoice to billing_staff using (true) with check (true);
create policy owner on invoice to billing_owner using (true) with check (true);
create policy outside on invoice for select to billing_outside using (principal_id = any (current_setting('app.principal_ids', true)::uuid[]));

alter table principal enable row level security;
alter table principal force row level security;
create policy staff on principal to billing_staff using (true) with check (true);
create policy owner on principal to billing_owner using (true) with check (true);
create policy outside on principal for select to billing_outside using (id = any (current_setting('app.principal_ids', true)::uuid[]));
