-- Guarantees have changed, and not all contracts of the product have been told so yet: a load that is killed in between must not forget it.
alter table product add column restating boolean not null default false;
