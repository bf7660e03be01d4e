-- Letters that go out as mail.

-- Addresses that whoever approved it named, space-separated; '': it goes to nobody.
alter table follow_ups add column send_to text not null default '';
-- The revision whose approval was last told; null: none was. What was told before is out of date.
alter table follow_ups add column approved_revision bigint;

-- A workspace has one mail server: with two, a letter would go out twice.
create unique index endpoints_mail on endpoints (workspace) where kind = 'mail';
