-- SPDX-License-Identifier: MIT
set restrict_fk_on_non_standard_key = 0, sql_generate_invisible_primary_key = 1;
create table hidden (v int); insert into hidden values (7), (7);
set sql_generate_invisible_primary_key = 0;
create table nonstandard (id int primary key, k int, constraint c3 foreign key (k) references parent (k)); insert into nonstandard values (1, 5);
create table checked (id int primary key, constraint ck check (id > 5) not enforced); insert into checked values (1);
