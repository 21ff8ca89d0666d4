-- SPDX-License-Identifier: MIT
-- What only MariaDB has.
create sequence sq start with 5 increment by 3 cache 10;
do nextval(sq);
create table sv (id int primary key, v int) with system versioning;
insert into sv values (1, 1);
update sv set v = 2;
create table own (id int primary key, u uuid, i6 inet6, i4 inet4, x varchar(10) compressed, key ku (u));
insert into own values (1, '123e4567-e89b-12d3-a456-426655440000', '2001:db8::ff00:42:8329', '192.0.2.33', 'x'),
  (2, null, null, null, null);
create table vec (id int primary key, v vector(3) not null, vector key kv (v));
insert into vec values (1, vec_fromtext('[1,-0.5,3e10]')), (2, x'27005C0A0D1A000000000000');
create table app (id int, f date, t date, period for p (f, t), primary key (id, p without overlaps), key kf (f));
insert into app values (1, '2020-01-01', '2021-01-01');
