-- Whoever freezes an audience reads it under a name of their own, so that a second reading, by somebody who was thought dead,
-- changes nothing about the first. The one that counts is the one whose count and digest are those of AudienceFrozen.
alter table publishing_dispatch_audience
    add column reading uuid not null default '00000000-0000-0000-0000-000000000000'; -- what earlier versions write
alter table publishing_dispatch_audience drop constraint publishing_dispatch_audience_pkey;
alter table publishing_dispatch_audience add primary key (publication_id, reading, subscriber_id);
