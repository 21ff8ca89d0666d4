-- SPDX-License-Identifier: MIT
-- What only MySQL has.
create table vec (id int primary key, v vector(3));
insert into vec values (1, string_to_vector('[1,-0.5,3e10]')), (2, x'27005C0A0D1A000000000000'), (3, null);
create table fn (id int primary key, a varchar(20), j json, key ka ((lower(a))), key kj ((cast(j->'$.n' as unsigned array))),
  key ki (a) invisible, key kd (a desc, id));
insert into fn values (1, 'Ab', '{"n":[1,2]}'), (2, null, null);
create table minus (id int primary key, f float, d double);
insert into minus values (1, -0e0, -0e0);
create table place (id int primary key, p point not null srid 4326, spatial key kp (p));
insert into place values (1, st_srid(point(10, 20), 4326));
