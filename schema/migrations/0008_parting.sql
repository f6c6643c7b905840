-- A restored log goes on after `after_position`. Where it parted from the one of before is another question: a
-- database that was put back unnoticed has gone on alone for a while. `parted_after` is the last position at which
-- the log is known to be the one of before; it never lies after `after_position`.
alter table publishing_incarnations add column parted_after bigint;
update publishing_incarnations set parted_after = after_position;
alter table publishing_incarnations alter column parted_after set not null;
