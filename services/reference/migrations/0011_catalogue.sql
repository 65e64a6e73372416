-- How far a product's contracts have been told of its changed guarantees.
alter table product add column restated_to uuid;

-- What terms, products and guarantees were set to, when, and by whom; none: by a file. Written by the tables themselves, so that no way of
-- changing one can forget it.
create table catalogue_change (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('principals', 'products', 'guarantees')),
  key text not null,
  at timestamptz not null default clock_timestamp(),
  set_by text,
  content jsonb not null
);
create index catalogue_change_by_key on catalogue_change (kind, key, id);
revoke all on catalogue_change from reference_outside;

create function keep_catalogue() returns trigger language plpgsql as $$
begin
  insert into catalogue_change (kind, key, set_by, content)
  values (tg_argv[0], new.feed_key, nullif(current_setting('app.set_by', true), ''), to_jsonb(new) - 'feed_key' - 'feed_hash' - 'restating' - 'restated_to');
  return null;
end $$;
create trigger terms_keep after insert or update on terms for each row execute function keep_catalogue('principals');
create trigger product_keeps after insert or update of label on product for each row execute function keep_catalogue('products');
create trigger guarantee_keeps after insert or update on guarantee for each row execute function keep_catalogue('guarantees');
